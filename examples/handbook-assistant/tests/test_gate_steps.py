"""The gate through the command line: who gets past it, who does not, and what a refusal changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from conftest import Pipeline, backwards
from mlflow.entities import Run

from handbook_assistant import NAME, models, schema, tracking
from handbook_assistant.local_registry import LocalRegistry
from handbook_assistant.settings import Tracking


@pytest.fixture
def floorless(trained: Path) -> Path:
    """A configuration in which no floor can refuse: what is left is the comparison with the champion."""
    base = trained / "config/base.yml"
    settings = yaml.safe_load(base.read_text())
    settings["gate"]["floors"] = {}
    settings["gate"]["slices"] = {"metric": settings["gate"]["slices"]["metric"]}
    base.write_text(yaml.safe_dump(settings))
    return trained


def decision(project: Path) -> dict[str, object]:
    """The content of gate.json."""
    content: dict[str, object] = json.loads((project / "outputs/report/gate.json").read_text())
    return content


def recorded(where: Tracking) -> list[Run]:
    """The runs of an experiment."""
    tracking.connect(where)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(where.experiment or NAME)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def test_the_first_model_needs_only_the_floors(evaluated: Path) -> None:
    """Without a champion nothing is compared, and the report says so."""
    assert decision(evaluated)["passed"] is True
    assert decision(evaluated)["champion"] is None
    assert decision(evaluated)["comparison"] is None


@pytest.mark.usefixtures("evaluated")
def test_the_report_is_kept_with_the_run() -> None:
    """What the report's folder holds is in the tracking store under that name."""
    (evaluated,) = [run.info.run_id for run in recorded(Tracking()) if run.info.run_name == "evaluate"]
    client = mlflow.MlflowClient()
    assert [entry.path for entry in client.list_artifacts(evaluated)] == ["report"]
    assert "report/gate.json" in [entry.path for entry in client.list_artifacts(evaluated, "report")]


def test_a_model_below_the_floors_is_refused(trained: Path, worse: Path, pipeline: Pipeline) -> None:
    """A bad first model is refused with its reasons, exits with 1, and is not registered."""
    pipeline("evaluate", "--model", worse).refused(1, "required")
    assert decision(trained)["passed"] is False
    pipeline("register", "--model", worse).refused(1, "refused")
    assert LocalRegistry(NAME, Tracking()).champion() is None


def test_settings_say_where_and_under_which_name(evaluated: Path, pipeline: Pipeline) -> None:
    """A model is registered in the named store, under the named name, by a run of the named experiment."""
    where = Tracking(uri=f"sqlite:///{evaluated.as_posix()}/elsewhere.db", experiment="named")
    pairs = f"tracking.uri={where.uri} tracking.experiment=named registry.name=another"
    assert "another version 1" in pipeline("register", "--set", pairs).out
    assert LocalRegistry("another", where).champion() is not None
    assert [run.info.run_name for run in recorded(where)] == ["register"]
    assert LocalRegistry(NAME, Tracking()).champion() is None


@pytest.mark.usefixtures("evaluated")
def test_a_worse_model_is_refused_by_the_champion_alone(floorless: Path, worse: Path, pipeline: Pipeline) -> None:
    """With no floor in its way, a worse model fails the comparison, and the champion stays as it was."""
    assert pipeline("register").code == 0
    before = LocalRegistry(NAME, Tracking()).champion()
    pipeline("evaluate", "--model", worse).refused(1, "champion", "interval")
    reasons = decision(floorless)["reasons"]
    assert isinstance(reasons, list)
    assert len(reasons) == 1
    pipeline("register", "--model", worse).refused(1, "champion")
    assert LocalRegistry(NAME, Tracking()).champion() == before


def test_an_equally_good_model_passes(evaluated: Path, pipeline: Pipeline) -> None:
    """The same training again gives a model that passes against the first, and takes the alias over."""
    assert pipeline("register").code == 0
    first = LocalRegistry(NAME, Tracking()).champion()
    assert pipeline("run").code == 0
    second = LocalRegistry(NAME, Tracking()).champion()
    assert first is not None
    assert second is not None
    assert (first.version, second.version) == ("1", "2")
    assert decision(evaluated)["champion"] == {"digest": first.digest}


def test_a_given_champion_is_compared_with(trained: Path, worse: Path, pipeline: Pipeline) -> None:
    """--champion names a folder, as a job without access to the registry needs it."""
    assert pipeline("evaluate", "--champion", worse).code == 0
    assert decision(trained)["champion"] == {"digest": models.digest(worse)}


def test_a_champion_predicts_with_its_own_code(trained: Path) -> None:
    """A champion trained with other code than today's is loaded with that code, which decides what it predicts."""
    champion = trained / "champion"
    shutil.copytree(trained / "outputs/model", champion)
    backwards(champion)
    inputs = schema.inputs(pd.read_parquet(trained / "outputs/data/test.parquet"))
    today = models.predict(trained / "outputs/model", inputs)["prediction"].tolist()
    assert models.predict(champion, inputs)["prediction"].tolist() == today[::-1]


def test_a_champion_that_cannot_predict_is_told(trained: Path, pipeline: Pipeline) -> None:
    """A champion whose code no longer runs stops the evaluation in one line, and is not taken for none."""
    champion = trained / "champion"
    shutil.copytree(trained / "outputs/model", champion)
    (champion / "code" / NAME / "flavor.py").write_text("raise SystemExit('out of date')\n")
    pipeline("evaluate", "--champion", champion).refused(2, "cannot predict", "out of date")


def test_a_costlier_kind_of_model_must_win(trained: Path, pipeline: Pipeline) -> None:
    """An equally good model of a kind that costs more to serve is refused, and one of a cheaper kind passes."""
    costlier = trained / "costlier"
    shutil.copytree(trained / "outputs/model", costlier)
    description = costlier / "MLmodel"
    content = yaml.safe_load(description.read_text())
    cost = models.cost(costlier) + 1
    description.write_text(yaml.safe_dump({**content, "metadata": {"cost": cost}}))
    assert models.cost(costlier) == cost
    pipeline("evaluate", "--model", costlier, "--champion", "outputs/model").refused(1, "costs more to serve")
    assert pipeline("evaluate", "--champion", costlier).code == 0


@pytest.mark.usefixtures("evaluated")
def test_register_refuses_another_model_than_the_evaluated(worse: Path, pipeline: Pipeline) -> None:
    """A report about one model does not open the registry for another."""
    pipeline("register", "--model", worse).refused(1, "another model")
    assert LocalRegistry(NAME, Tracking()).champion() is None


def test_register_refuses_a_comparison_with_a_former_champion(evaluated: Path, worse: Path, pipeline: Pipeline) -> None:
    """When a champion came after the evaluation, the gate has to be asked again."""
    registry = LocalRegistry(NAME, Tracking())
    meanwhile = registry.register(worse, models.digest(worse), "champion", {})
    pipeline("register").refused(1, "no champion", "pipeline evaluate")
    assert registry.champion() == meanwhile
    content = decision(evaluated) | {"champion": {"digest": "of one before"}}
    (evaluated / "outputs/report/gate.json").write_text(json.dumps(content))
    pipeline("register").refused(1, "older champion", "pipeline evaluate")
    assert registry.champion() == meanwhile


@pytest.mark.usefixtures("evaluated")
def test_registering_twice_gives_one_version(pipeline: Pipeline) -> None:
    """A repeated command, after a lost answer for instance, adds nothing."""
    for _ in range(2):
        done = pipeline("register")
        assert done.code == 0, done
        assert "version 1 is champion" in done.out


def test_register_needs_a_report(trained: Path, pipeline: Pipeline) -> None:
    """Without a report, or with one that is not JSON, the message names the file."""
    pipeline("register").refused(2, "gate.json")
    (trained / "outputs/report").mkdir()
    (trained / "outputs/report/gate.json").write_text("{")
    pipeline("register").refused(2, "gate.json", "not valid JSON")


@pytest.mark.usefixtures("evaluated")
def test_a_challenger_does_not_serve(pipeline: Pipeline) -> None:
    """In production a model that passed becomes a challenger; the champion is a person's choice."""
    assert "challenger" in pipeline("register", "--config", "config/prod.yml").out
    assert LocalRegistry(NAME, Tracking()).champion() is None


def test_the_card_tells_the_numbers_of_the_report(evaluated: Path) -> None:
    """Each metric of metrics.json stands in the model card with the same value."""
    card = (evaluated / "outputs/report/model_card.md").read_text()
    metrics = json.loads((evaluated / "outputs/report/metrics.json").read_text())
    assert metrics
    assert all(f"| {name} | {value:.4g} |" in card for name, value in metrics.items())
    pictures = [line.split("(")[1].rstrip(")") for line in card.splitlines() if line.startswith("![")]
    assert pictures
    assert all((evaluated / "outputs/report" / picture).stat().st_size > 1000 for picture in pictures)
