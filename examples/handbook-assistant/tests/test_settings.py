"""Settings: three layers, and nothing that is silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Pipeline

from handbook_assistant import settings
from handbook_assistant.errors import InputError

DEV = Path("config/dev.yml")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_each_environment_loads(environment: str) -> None:
    """The files that come with the project are complete and valid together."""
    assert settings.load(Path("config") / f"{environment}.yml").train.seed == 0


def test_the_nearer_layer_wins(project: Path) -> None:
    """`--set` goes before the environment's file, and that before base.yml, key by key."""
    (project / "config/dev.yml").write_text("train: {seed: 1}\nmonitor: {minimum_rows: 7}\n")
    loaded = settings.load(DEV, ["train.seed=2"])
    assert (loaded.train.seed, loaded.monitor.minimum_rows) == (2, 7)
    assert loaded.prepare == settings.load(Path("config/prod.yml")).prepare


@pytest.mark.usefixtures("project")
def test_one_set_holds_several_pairs() -> None:
    """Pairs in one text, as a sweep passes them, are the same as several options."""
    assert settings.load(DEV, ["train.seed=3 monitor.minimum_rows=9"]) == settings.load(
        DEV, ["train.seed=3", "monitor.minimum_rows=9"]
    )


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("train.sede=1", "train.sede"),
        ("trian.seed=1", "trian"),
        ("train.seed=much", "train.seed"),
        ("train.seed", "key=value"),
        ("=1", "key=value"),
        ("train.=1", "key=value"),
        ("train.seed=[1", "YAML"),
        ("train.seed='1", "quotes"),
        ("train=1 train.seed=2", "train"),
        ("prepare.test=1.5", "prepare.test"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_wrong_set_is_refused(pair: str, words: str, pipeline: Pipeline) -> None:
    """An unknown key, a wrong type and a slip of syntax each get one line and exit code 2."""
    pipeline("train", "--set", pair).refused(2, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"train: [", "YAML"), (b"- train", "settings by name"), (b"train: {sed: 1}", "train.sed"), (b"\xff", "YAML")],
)
def test_a_wrong_file_is_refused(content: bytes, words: str, project: Path, pipeline: Pipeline) -> None:
    """A configuration that is not YAML, not a mapping, or holds an unknown key gets one line and exit code 2."""
    (project / "config/dev.yml").write_bytes(content)
    pipeline("train").refused(2, words)


@pytest.mark.usefixtures("project")
def test_an_absent_file_is_told(pipeline: Pipeline) -> None:
    """The message names the file and says where to run the command."""
    pipeline("train", "--config", "config/nowhere.yml").refused(2, "config/nowhere.yml", "--config")


def test_a_missing_setting_is_told(project: Path) -> None:
    """A setting that base.yml lacks is named."""
    (project / "config/base.yml").write_text("{}\n")
    with pytest.raises(InputError, match=r"gate is missing"):
        settings.load(DEV)


@pytest.mark.usefixtures("project")
def test_flat_names_every_value() -> None:
    """What goes to the tracking server has one dotted name a value."""
    flat = settings.load(DEV).flat()
    assert flat["train.seed"] == 0
    assert not any(isinstance(value, dict) for value in flat.values())
