"""A network and a tokenizer to start from: of the Hugging Face hub, of a folder, or tiny and of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub import constants, get_session
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
)

from . import model, tokens
from .errors import InputError
from .parameters import Train

SECONDS = 10
# Texts to try a tokenizer on.
SOME = 100
MEND = (
    "give train.hf_model_id the id of a model on the Hugging Face hub that this computer can reach "
    "(HF_TOKEN for a gated one), or the folder of one"
)


def start(settings: Train, corpus: Sequence[str], classes: Sequence[str]) -> tuple[PreTrainedModel, Tokenizer]:
    """A network with a new layer for the classes, and its tokenizer, which cuts what is too long.

    Args:
        settings: which one.
        corpus: texts for a tokenizer that has to be learnt.
        classes: in the order of the scores to come.

    Raises:
        InputError: the model can't be had, or is of a kind that does not classify texts.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    transformers.set_seed(settings.seed)
    labels = {"id2label": dict(enumerate(classes)), "label2id": {label: i for i, label in enumerate(classes)}}
    if settings.hf_model_id is None:
        return _tiny(settings, corpus, labels)
    try:
        return _published(settings.hf_model_id, settings, corpus, labels)
    except InputError:
        raise
    except (
        Exception
    ) as error:  # each library behind it fails in its own way on what is absent, damaged or of another kind
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"the model {settings.hf_model_id} cannot be loaded ({reason}): {MEND}") from error


def _tiny(settings: Train, corpus: Sequence[str], labels: dict[str, Any]) -> tuple[PreTrainedModel, Tokenizer]:
    tokenizer = tokens.learn(corpus, model.VOCABULARY)
    tokenizer.enable_truncation(settings.max_tokens)
    config = model.tiny(tokenizer.get_vocab_size(), settings.max_tokens)
    config.update({**labels, "pad_token_id": tokenizer.token_to_id(tokens.PADDING)})
    return AutoModelForSequenceClassification.from_config(config), tokenizer


def _published(
    name: str, settings: Train, corpus: Sequence[str], labels: dict[str, Any]
) -> tuple[PreTrainedModel, Tokenizer]:
    offline = {"local_files_only": Path(name).is_dir() or not _reachable()}
    tokenizer = AutoTokenizer.from_pretrained(name, **offline)
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(f"the model {name} has no tokenizer of the library tokenizers, which serving needs: {MEND}")
    _check_words(name, tokenizer, corpus[:SOME])
    config = AutoConfig.from_pretrained(name, **labels, **offline)
    config.pad_token_id = _padding(tokenizer, config)
    network = AutoModelForSequenceClassification.from_pretrained(
        name, config=config, dtype="float32", ignore_mismatched_sizes=True, **offline
    )
    cutting = tokenizer.backend_tokenizer
    cutting.enable_truncation(min(settings.max_tokens, tokenizer.model_max_length, _positions(config)))
    return network, cutting


def _check_words(name: str, tokenizer: Any, texts: Sequence[str]) -> None:
    """Refuse a tokenizer of other texts. Where its files are missing, the library makes one that knows no word."""
    encodings = tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
    found = [token for encoding in encodings for token in encoding.ids]
    if found.count(tokenizer.unk_token_id) >= len(found) / 2:
        raise InputError(f"the tokenizer of the model {name} knows hardly a word of these texts: {MEND}")


def _padding(tokenizer: Any, config: PretrainedConfig) -> int:
    """What batches are filled up with; a model that generates text has no token for that, and takes its last one."""
    found = (tokenizer.pad_token_id, getattr(config, "pad_token_id", None), tokenizer.eos_token_id)
    return next((int(token) for token in found if token is not None), 0)


def _positions(config: PretrainedConfig) -> int:
    """How many tokens a text may have, as far as the network says."""
    return int(getattr(config, "max_position_embeddings", None) or 10**9)


def _reachable() -> bool:
    """Whether the hub answers. Asked once here: the library itself tries for minutes."""
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # an error of the HTTP library that the hub's happens to use
        return False
    return True
