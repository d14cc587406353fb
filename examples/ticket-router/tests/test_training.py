"""A transformer is fine-tuned: tiny here, and in seconds, but all the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import AutoModel, PreTrainedTokenizerFast

from ticket_router import NAME, checkpoint, export, model, sample, schema, tokens, training
from ticket_router.errors import InputError
from ticket_router.settings import Settings, load
from ticket_router.training import Learned, Values

FOLDER = Path("outputs/checkpoint")
Fit = Callable[..., tuple[Learned, list[Values]]]


def rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to learn from, and rows to stop by."""
    frame = sample.rows()
    return frame.iloc[:320], frame.iloc[320:400]


def settings(*pairs: str) -> Settings:
    """Those of a short training, and `pairs` over them."""
    short = ["train.kind=transformer", "train.max_steps=12", "train.max_tokens=32", "train.evaluations=3"]
    return load(Path("config/dev.yml"), [*short, *pairs])


@pytest.fixture
def fit(project: Path) -> Fit:
    """Fine-tune with the settings of `pairs`, and return what was learnt and the evaluations on the way."""

    def run(*pairs: str) -> tuple[Learned, list[Values]]:
        seen: list[Values] = []
        learned = training.fit(*rows(), settings(*pairs), lambda _, values: seen.append(values) if values else None)
        assert learned is not None
        return learned, seen

    return run


def loss(learned: Learned) -> float:
    """The mean validation loss of a network outside of the trainer."""
    fitting, validation = rows()
    found = training.examples(validation, training.known_classes(fitting))
    scores = export.scores(learned.network(), Tokenizer.from_str(learned.tokenizer), found.texts)
    return float(cross_entropy(torch.from_numpy(scores), torch.tensor(found.labels)))


def same(first: Learned, second: Learned) -> bool:
    """Whether all weights are equal."""
    return all((first.weights[name] == second.weights[name]).all() for name in first.weights)


def test_it_learns(fit: Fit) -> None:
    """The validation loss falls, and the weights with the lowest are kept, merged or not."""
    learned, seen = fit("train.max_steps=60", "train.learning_rate=0.005")
    losses = [values["loss"] for values in seen]
    assert losses[-1] < losses[0] - 0.05
    assert loss(learned) == pytest.approx(min(losses), abs=1e-4)


def test_it_stops_early(fit: Fit) -> None:
    """When the validation loss does not fall any more, the rest of the steps is saved, after a restart too."""
    pairs = ["train.learning_rate=1e-12", "train.evaluations=12", "train.patience=2"]
    learned, seen = fit(*pairs)
    assert [values["step"] for values in seen][-1] < 12
    again, seen = fit(*pairs)
    assert seen == []
    assert same(again, learned)


def test_low_rank_updates_are_merged(fit: Fit) -> None:
    """With LoRA few weights learn, and the merged network has the loss that the trainer saw before it was merged."""
    learned, seen = fit("train.lora_rank=4", "train.learning_rate=0.01")
    assert not any("lora" in name for name in learned.weights)
    assert loss(learned) == pytest.approx(min(values["loss"] for values in seen), abs=1e-4)
    untouched = "bert.embeddings.word_embeddings.weight"
    assert (learned.weights[untouched] == fit("train.lora_rank=4", "train.max_steps=1")[0].weights[untouched]).all()


def test_it_starts_from_a_folder(fit: Fit, project: Path) -> None:
    """A published model, here in a folder, is fine-tuned with its own tokenizer and weights."""
    tokenizer = tokens.learn(tokens.texts(schema.inputs(rows()[0])), 300)
    config = model.tiny(tokenizer.get_vocab_size(), 64)
    published = AutoModel.from_config(config)
    published.save_pretrained(project / "published")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=tokens.PADDING).save_pretrained(project / "published")
    learned, _ = fit(f"train.hf_model_id={project / 'published'}", "train.max_steps=1", "train.learning_rate=1e-9")
    known = published.state_dict()["embeddings.word_embeddings.weight"].numpy()
    assert learned.weights["bert.embeddings.word_embeddings.weight"] == pytest.approx(known, abs=1e-6)
    assert json.loads(learned.tokenizer)["model"]["vocab"] == tokenizer.get_vocab()
    assert learned.config.num_labels == len(training.known_classes(rows()[0]))


@pytest.mark.parametrize("damage", ["absent", "no tokenizer", "damaged weights"])
def test_a_model_that_cannot_be_had_is_refused(damage: str, fit: Fit, project: Path) -> None:
    """The message names the model and says what to give instead."""
    folder = project / "published"
    AutoModel.from_config(model.tiny(100, 64)).save_pretrained(folder)
    if damage == "damaged weights":
        tokenizer = tokens.learn(tokens.texts(schema.inputs(rows()[0])), 100)
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=tokens.PADDING).save_pretrained(folder)
        (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"(?s)absent|published.*train\.hf_model_id"):
        fit(f"train.hf_model_id={'acme/absent' if damage == 'absent' else folder}")


def test_a_killed_training_goes_on(fit: Fit, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next training starts from the checkpoint and ends with the very same weights, also after the last step."""
    script = project / "killed.py"
    script.write_text(
        f"""
import os, signal
from test_training import rows, settings
from {NAME} import training
done = 0
def report(steps, values):
    global done
    done += steps
    if done == 10:
        os.kill(os.getpid(), signal.SIGKILL)
training.fit(*rows(), settings(), report)
"""
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run([sys.executable, script], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert {path.name for path in FOLDER.iterdir()} == {"checkpoint-4", "checkpoint-8"}
    resumed, seen = fit()
    assert [values["step"] for values in seen] == [12]
    again, seen = fit()
    assert seen == []
    assert same(again, resumed)
    assert "starting" not in capsys.readouterr().out
    checkpoint.remove(FOLDER)
    whole, _ = fit()
    assert same(resumed, whole)


@pytest.mark.parametrize("change", ["other settings", "damaged", "unsealed"])
def test_a_checkpoint_that_does_not_fit_is_left(change: str, fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    """Of other settings, damaged or half-written, it is not used, a line says so, and training starts anew."""
    first, _ = fit()
    for path in FOLDER.iterdir():
        if change == "damaged":
            weights = path / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-1] + b"x")
        elif change == "unsealed":
            (path / checkpoint.SEAL).unlink()
    again, seen = fit(*(["train.seed=1"] if change == "other settings" else []))
    assert [values["step"] for values in seen] == [4, 8, 12]
    assert "starting from the beginning" in capsys.readouterr().out
    assert same(first, again) is (change != "other settings")
    checkpoint.remove(FOLDER)
    assert not FOLDER.exists()


def test_two_processes_learn_as_one_does(fit: Fit) -> None:
    """Two processes with half of the batch each end with about the same loss, and the first speaks for both."""
    together, seen = fit("compute.processes=2", "train.batch_size=16", "train.max_steps=20")
    assert loss(together) == pytest.approx(min(values["loss"] for values in seen), rel=0.02)
    checkpoint.remove(FOLDER)
    alone, _ = fit("train.batch_size=32", "train.max_steps=20")
    assert loss(together) == pytest.approx(loss(alone), rel=0.1)
    assert [values["step"] for values in seen] == [6, 12, 18, 20]


def test_a_loss_that_is_no_number_is_refused(fit: Fit) -> None:
    """A learning rate that is far too high gets one line that names it."""
    with pytest.raises(InputError, match=r"train\.learning_rate"):
        fit("train.learning_rate=1e30")


@pytest.mark.parametrize(
    ("pairs", "steps"),
    [
        ([], 20),
        (["train.max_steps=7"], 7),
        (["train.hf_model_id=x"], 189),
        (["train.epochs=1", "train.batch_size=256"], 8),
    ],
)
def test_the_number_of_steps(pairs: list[str], steps: int, project: Path) -> None:
    """As many as are said, else as the epochs have, but few for the tiny network."""
    found = load(Path("config/dev.yml"), pairs).train
    assert training.steps_of(found, 2001, world=1) == steps


def test_a_batch_is_filled_up() -> None:
    """Texts of one batch get one length, a multiple of 8, and what fills them up is masked."""
    batch = training.collate([{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": 0}], padding=9)
    assert batch["input_ids"].shape == (2, 8)
    assert batch["input_ids"][1].tolist() == [8] + [9] * 7
    assert batch["attention_mask"].sum(dim=1).tolist() == [3, 1]
    assert batch["labels"].tolist() == [1, 0]
