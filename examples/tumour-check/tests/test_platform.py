"""What is sent to Azure ML: the job runs here as it would there, and reaches the service (azure_stub.py) as meant."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aml_runner
import azure_stub
import pandas as pd
import pytest
from azure_stub import Azure, Request
from conftest import Pipeline

from tumour_check import NAME, schema
from tumour_check.errors import InputError

ROOT = Path(__file__).parents[1]
ROWS = f"azureml:{NAME}-raw:1"
pytestmark = [
    pytest.mark.platform,
    # Of the libraries that azure-ai-ml is made of.
    pytest.mark.filterwarnings("ignore:::marshmallow"),
    pytest.mark.filterwarnings("ignore:::azure"),
]


def _load() -> ModuleType:
    """aml/submit.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("submit", ROOT / "aml" / "submit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["submit"] = module
    spec.loader.exec_module(module)
    return module


submit: Any = _load()


def plan(tmp_path: Path, **changes: Any) -> Any:
    """A plan for the training pipeline with a snapshot of the code."""
    code = tmp_path / "code"
    if not code.exists():
        code.mkdir()
        submit.write_snapshot(code)
    chosen = {
        "pipeline": "train",
        "code": str(code),
        "job": "a-job",
        "config": "config/dev.yml",
        "source": ROWS,
        "environment": "azureml:packages:1",
    }
    return submit.Plan(**(chosen | changes))


# --- the graph runs ------------------------------------------------------------------------------------------------


def test_pipeline_runs_to_a_report_that_passed(made: Path, tmp_path: Path) -> None:
    """The job that would be sent runs here, on what would be uploaded, to a report whose gate passed."""
    job = submit.build(plan(tmp_path, source=str(made / "data/raw")))
    outputs = aml_runner.run(job, tmp_path / "run", made / "mlflow.db")
    decision = json.loads((outputs["evaluate"]["report"] / "gate.json").read_text())
    assert decision["passed"], decision["reasons"]
    assert decision["champion"] is None
    assert (outputs["train"]["model"] / "MLmodel").is_file()


def test_sweep_trains_with_the_first_combination(made: Path, tmp_path: Path) -> None:
    """A trial of the sweep trains with its settings, those of config/sweep.yml."""
    trials = submit.grid(submit.read_space(ROOT / "config/sweep.yml"))
    job = submit.build(plan(tmp_path, pipeline="sweep", trials=trials))
    only(job, "train", data=made / "outputs/data")
    aml_runner.run(job, tmp_path / "run", made / "mlflow.db")
    key, value = trials[0].split()[0].split("=")
    assert logged(tmp_path / "run", key) == value


def test_bad_model_fails_the_job(made: Path, tmp_path: Path) -> None:
    """A model that learned from shuffled targets fails the job at evaluate, and the report says why."""
    job = submit.build(plan(tmp_path))
    only(job, "evaluate", data=made / "outputs/data", model=made / "worse")
    with pytest.raises(aml_runner.StepFailedError, match="the gate refused this model") as caught:
        aml_runner.run(job, tmp_path / "run", made / "mlflow.db")
    assert (caught.value.step, caught.value.code) == ("evaluate", 1)
    assert json.loads((tmp_path / "run/evaluate/report/gate.json").read_text())["reasons"]


def test_champion_is_compared_with(made: Path, tmp_path: Path) -> None:
    """The champion that the plan names reaches the gate, and an equally good model passes."""
    job = submit.build(plan(tmp_path, champion=str(made / "outputs/model")))
    only(job, "evaluate", data=made / "outputs/data", model=made / "outputs/model")
    outputs = aml_runner.run(job, tmp_path / "run", made / "mlflow.db")
    decision = json.loads((outputs["evaluate"]["report"] / "gate.json").read_text())
    assert decision["passed"]
    assert decision["champion"] == decision["model"]


def scoring(tmp_path: Path, made: Path, source: Path) -> Any:
    """The scoring job for rows in a folder and the model that was made."""
    model = str(made / "outputs/model")
    return submit.build(plan(tmp_path, pipeline="score", source=str(source), champion=model, outputs=("predictions",)))


def test_scoring_job_gives_what_pipeline_score_gives(
    trained: Path, made: Path, raw: pd.DataFrame, pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Files that several workers score give the same predictions, rejected rows and reasons as one process."""
    folder, source = tmp_path_factory.mktemp("job"), trained / "new"
    source.mkdir()
    raw.loc[3, schema.ID] = None
    raw.loc[4, schema.inputs(raw).select_dtypes("object").columns[0]] = "never seen"
    raw.iloc[:100].to_csv(source / "a.csv", index=False)
    raw.iloc[100:300].to_csv(source / "b.csv", index=False)
    raw.iloc[300:].to_parquet(source / "c.parquet")
    (source / ".amlignore").touch()  # not all that lies in a folder is rows
    assert pipeline("score", "--source", "new", "--model", "outputs/model").code == 0

    outputs = aml_runner.run(scoring(folder, made, source), folder / "run", made / "mlflow.db")

    found = outputs["score"]["predictions"]
    assert len(list((found / "predictions.parquet").iterdir())) == 3
    for name in ("predictions", "rejected"):
        tables = [pd.read_parquet(where / f"{name}.parquet") for where in (found, trained / "outputs/predictions")]
        tables = [table.drop(columns=["model_version", "scored_at"], errors="ignore") for table in tables]
        ordered = [table.sort_values(list(table.columns), ignore_index=True) for table in tables]
        pd.testing.assert_frame_equal(ordered[0], ordered[1], rtol=0, atol=1e-12)
        assert len(ordered[0])
    assert pipeline("monitor", "--source", "new", "--model", "outputs/model", "--predictions", found).code == 0


def test_file_that_cannot_be_scored_fails_the_job(tmp_path: Path, made: Path, raw: pd.DataFrame) -> None:
    """One bad file among good ones fails the job, since predictions for the others would look like all."""
    source = tmp_path / "new"
    source.mkdir()
    raw.to_csv(source / "good.csv", index=False)
    raw.drop(columns=schema.ID).to_csv(source / "bad.csv", index=False)
    with pytest.raises(aml_runner.StepFailedError, match=f"column {schema.ID} is missing"):
        aml_runner.run(scoring(tmp_path, made, source), tmp_path / "run", made / "mlflow.db")


def only(job: Any, step: str, **inputs: Path) -> None:
    """Leave one step in a job, with folders for what it would get from the others."""
    from azure.ai.ml import Input

    for name in list(job.jobs):
        if name != step:
            del job.jobs[name]
    for name, folder in inputs.items():
        setattr(job.jobs[step].inputs, name, Input(type="uri_folder", path=str(folder)))


def logged(run: Path, parameter: str) -> str:
    """A parameter that the latest run in a job's tracking store logged."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{run / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, order_by=["attributes.start_time DESC"])
    return str(found[0].data.params[parameter])


def test_dangling_reference_does_not_run(tmp_path: Path) -> None:
    """A step that reads from a step that is not there is refused, not left waiting."""
    job = submit.build(plan(tmp_path))
    del job.jobs["prepare"]
    with pytest.raises(aml_runner.BrokenGraphError, match="no output data of a step prepare"):
        aml_runner.run(job, tmp_path / "run")


# --- what is sent, without a workspace -----------------------------------------------------------------------------


def test_snapshot_is_what_amlignore_leaves(tmp_path: Path) -> None:
    """What submit.py sends and what the Azure command line would send are the same files."""
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_upload_files_from_folder

    root, code = tmp_path / "root", tmp_path / "code"
    unwanted = ("tests", "notebooks", "data", "outputs", ".venv", ".git", "src/__pycache__")
    for name in ("src", "config", "aml"):
        shutil.copytree(ROOT / name, root / name)
    for name in unwanted:
        (root / name).mkdir(exist_ok=True)
        (root / name / "file.pyc").touch()
    for name in (".amlignore", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    code.mkdir()
    submit.write_snapshot(code)

    files: Any = get_upload_files_from_folder(str(root), ignore_file=get_ignore_file(root))
    kept = {relative for _, relative in files}
    assert kept == {path.relative_to(code).as_posix() for path in code.rglob("*") if path.is_file()}
    assert {"src/__main__.py", "aml/score.py"} <= kept


def test_grid_is_every_combination() -> None:
    """A sweep tries each value of a setting with each value of the others, written as --set reads them."""
    space = {"train.a": [1, 0.5], "train.b": ["x", "two words"], "train.c": [True, None]}
    assert submit.grid(space)[:3] == (
        "train.a=1 train.b=x train.c=true",
        "train.a=1 train.b=x train.c=null",
        "train.a=1 'train.b=two words' train.c=true",
    )
    assert len(submit.grid(space)) == 8


@pytest.mark.parametrize("value", ['a"b', "$(id)", "`id`", "a\\b"])
def test_grid_refuses_what_a_shell_would_read(value: str) -> None:
    """A value that would end the quotes of the job's command is refused."""
    with pytest.raises(InputError, match="use another value"):
        submit.grid({"train.a": [value]})


@pytest.mark.parametrize("text", ["", "- a", "train.seed: 1", "train.seed: []", "a: [", "\x00"])
def test_sweep_file_must_list_values(tmp_path: Path, text: str) -> None:
    """A sweep file without a list of values for each setting is one clear line."""
    (tmp_path / "sweep.yml").write_text(text)
    with pytest.raises(InputError, match=r"sweep\.yml"):
        submit.read_space(tmp_path / "sweep.yml")


def test_version_follows_names_and_content(tmp_path: Path) -> None:
    """The same files have the same version, whatever else; another byte or another name gives another."""
    versions: list[str] = []
    for name, content in (("a.csv", "1"), ("a.csv", "1"), ("a.csv", "2"), ("b.csv", "1")):
        folder = tmp_path / str(len(versions))
        folder.mkdir()
        (folder / name).write_text(content)
        (folder / ".gitkeep").touch()
        versions.append(submit.content_version(folder))
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3


def test_no_rows_is_one_line(tmp_path: Path) -> None:
    """An empty folder has no version."""
    with pytest.raises(InputError, match="pipeline sample"):
        submit.content_version(tmp_path)


@pytest.mark.parametrize(
    "arguments", [["train"], ["sweep"], ["score"], ["setup"], ["environment"], ["data"], ["fetch", "a-job"]]
)
def test_missing_variables_are_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a workspace each command says which variables to set, and exits with 2."""
    for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    assert call(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err == (
        "error: AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZURE_ML_WORKSPACE not set: "
        "say which Azure ML workspace to use, see docs/platform.md\n"
    )


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run `python aml/submit.py ARGUMENTS` in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["submit.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        submit.main()
    return stop.value.code


# --- what reaches the workspace ------------------------------------------------------------------------------------


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """An empty workspace that the environment variables name, and a folder for what comes back."""
    monkeypatch.setattr(submit, "MODEL", tmp_path / "outputs/model")
    monkeypatch.setattr(submit, "REPORT", tmp_path / "outputs/report")
    # Less to upload: what the snapshot holds is another test's matter.
    monkeypatch.setattr(submit, "SNAPSHOT", ("config",))
    monkeypatch.setattr(submit, "write_context", lambda folder, group: (folder / "Dockerfile").write_text(group))
    with azure_stub.running(tmp_path) as (azure, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield azure


def writes(azure: Azure, made: Path, passed: bool = True) -> None:
    """Let a job write a model and a report, as its steps would."""

    def write(request: Request) -> None:
        outputs = request.json["properties"]["outputs"]
        for name, output in outputs.items():
            place = output["uri"].split("/paths/")[1]
            for file, written in content(made / "outputs" / name).items():
                azure.blobs[f"{place}/{file}"] = (written, {})
            if name == "report" and not passed:
                refused = json.dumps({"passed": False, "reasons": ["accuracy 0.4 is below 0.9"]})
                azure.blobs[f"{place}/gate.json"] = (refused.encode(), {})

    azure.on_job = write


def sent(azure: Azure) -> dict[str, Any]:
    """The properties of the only job that was sent."""
    (request,) = azure.calls("PUT", "/jobs/")
    properties: dict[str, Any] = request.json["properties"]
    return properties


def champion(azure: Azure, version: str) -> None:
    """Let the workspace have a champion."""
    tags = {"digest": "d", "alias": "champion"}
    path = f"{azure_stub.ROOT}/models/{NAME}/versions/{version}"
    azure.resources[path] = {
        "id": path,
        "name": version,
        "properties": {"modelUri": "azureml://x/paths/m", "modelType": "mlflow_model", "flavors": {}, "tags": tags},
    }


def test_training_comes_back(azure: Azure, made: Path) -> None:
    """A job that passed its gate leaves the same model and report in outputs/, and nothing of an earlier one."""
    submit.MODEL.mkdir(parents=True)
    (submit.MODEL / "left-over.txt").touch()
    writes(azure, made)
    submit.app(["train", "--source", ROWS], standalone_mode=False)

    for folder in (submit.MODEL, submit.REPORT):
        assert content(folder) == content(made / "outputs" / folder.name)


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder with their bytes; there are some."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found
    return found


def test_job_names_exact_versions(azure: Azure, made: Path) -> None:
    """The job has the project's name, serverless compute, and exact versions of rows, packages and champion."""
    writes(azure, made)
    champion(azure, "7")
    submit.app(["train", "--source", ROWS, "--config", "config/prod.yml"], standalone_mode=False)

    job = sent(azure)
    assert job["experimentName"] == NAME
    assert job["settings"]["default_compute"].endswith("/computes/serverless")
    assert job["inputs"]["config"]["value"] == "config/prod.yml"
    assert job["inputs"]["source"]["uri"].endswith(f"/data/{NAME}-raw/versions/1")
    assert job["jobs"]["evaluate"]["inputs"]["champion"]["uri"].endswith(f"/models/{NAME}/versions/7")
    environments = {
        request.json["properties"]["componentSpec"]["environment"] for request in azure.calls("PUT", "/components/")
    }
    (environment,) = environments
    assert f"/environments/{NAME}-training/versions/" in environment


def test_first_job_has_no_champion(azure: Azure, made: Path) -> None:
    """Before there is a champion the input is not given at all."""
    writes(azure, made)
    submit.app(["train", "--source", ROWS], standalone_mode=False)
    assert "champion" not in sent(azure)["jobs"]["evaluate"]["inputs"]


def test_compute_cluster_is_taken_from_the_environment(
    azure: Azure, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AZURE_ML_COMPUTE names a cluster to use instead of serverless compute."""
    azure.resources[f"{azure_stub.ROOT}/computes/cpu"] = {"id": f"{azure_stub.ROOT}/computes/cpu", "name": "cpu"}
    writes(azure, made)
    monkeypatch.setenv("AZURE_ML_COMPUTE", "cpu")
    submit.app(["train", "--source", ROWS], standalone_mode=False)
    assert sent(azure)["settings"]["default_compute"].endswith("/computes/cpu")


def test_sweep_sends_the_grid(azure: Azure, made: Path) -> None:
    """A sweep is sent with one trial a combination of config/sweep.yml, and looks for the lowest validation loss."""
    writes(azure, made)
    submit.app(["sweep", "--source", ROWS], standalone_mode=False)
    trials = submit.grid(submit.read_space(ROOT / "config/sweep.yml"))
    node = sent(azure)["jobs"]["train"]
    assert node["search_space"] == {"set": {"type": "choice", "values": list(trials)}}
    assert node["limits"]["max_total_trials"] == len(trials)
    assert node["objective"] == {"goal": "minimize", "primary_metric": "validation_loss"}


def test_refusal_ends_with_the_gates_reasons(
    azure: Azure, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the gate refused, the exit code is 1, the reasons are told, and the report is there to read."""
    azure.job_status = "Failed"
    writes(azure, made, passed=False)
    assert call(monkeypatch, "train", "--source", ROWS) == 1
    assert "error: the gate refused this model: accuracy 0.4 is below 0.9" in capsys.readouterr().err
    assert (submit.REPORT / "model_card.md").is_file()
    assert not submit.MODEL.exists()


@pytest.mark.parametrize("status", ["Failed", "Canceled", "Completed"])
def test_job_without_report_is_one_line(azure: Azure, status: str) -> None:
    """A job that wrote no report is an error that says where to look, and not a refusal."""
    azure.job_status = status
    path = f"{azure_stub.ROOT}/jobs/a-job"
    properties = {"jobType": "Pipeline", "status": status, "services": {}, "properties": {}, "jobs": {}}
    azure.resources[path] = {"id": path, "name": "a-job", "properties": properties}
    with pytest.raises(InputError, match=f"a-job ended as {status}"):
        submit.app(["fetch", "a-job"], standalone_mode=False)


def test_failure_after_the_gate_is_no_success(azure: Azure, made: Path) -> None:
    """A job that failed although its gate passed is an error."""
    azure.job_status = "Failed"
    writes(azure, made)
    with pytest.raises(InputError, match="ended as Failed"):
        submit.app(["train", "--source", ROWS], standalone_mode=False)


@pytest.mark.parametrize(("command", "kind", "number"), [("environment", "environments", 2), ("data", "data", 1)])
def test_same_content_is_sent_once(
    azure: Azure, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, kind: str, number: int
) -> None:
    """Creating the environment or the data asset again, with the same content, sends nothing."""
    rows(monkeypatch, tmp_path, made / "data/raw")
    submit.app([command], standalone_mode=False)
    uploads = len(azure.blobs)
    submit.app([command], standalone_mode=False)
    assert len(azure.calls("PUT", f"/{kind}/")) == number
    assert len(azure.blobs) == uploads > 0


def rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
    """Let data/raw of a project with these files be this folder: the real one may be empty."""
    project = tmp_path / f"project-{folder.name}"
    shutil.copytree(ROOT / "aml", project / "aml")
    shutil.copytree(folder, project / "data/raw")
    monkeypatch.setattr(submit, "AML", project / "aml")


def test_training_takes_the_rows_that_were_sent_last(
    azure: Azure, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --source the job reads the newest data asset, by its exact version."""
    writes(azure, made)
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "rows.csv").write_text("a,b\n")
    for folder in (newer, made / "data/raw"):
        rows(monkeypatch, tmp_path, folder)
        submit.app(["data"], standalone_mode=False)
    submit.app(["train"], standalone_mode=False)
    expected = submit.content_version(made / "data/raw")
    assert sent(azure)["inputs"]["source"]["uri"].endswith(f"/data/{NAME}-raw/versions/{expected}")


def test_training_without_rows_is_one_line(azure: Azure) -> None:
    """Before rows were sent, the user is told to send some."""
    with pytest.raises(InputError, match="platform-data first"):
        submit.app(["train"], standalone_mode=False)
    assert not azure.calls("PUT", "/jobs/")


def test_scoring_names_exact_versions(azure: Azure, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The job has the champion by its exact version and packages of its own, and the user is told where it writes."""
    champion(azure, "7")
    submit.app(["score", "--source", ROWS], standalone_mode=False)
    job = sent(azure)
    assert job["inputs"]["model"]["uri"].endswith(f"/models/{NAME}/versions/7")
    assert job["inputs"]["version"]["value"] == "7"
    (component,) = azure.calls("PUT", "/components/")
    task = component.json["properties"]["componentSpec"]["task"]
    assert f"/environments/{NAME}-scoring/versions/" in task["environment"]
    place = job["outputs"]["predictions"]["uri"].split("/paths/")[1]
    assert place in capsys.readouterr().out


def test_scoring_without_a_champion_is_one_line(azure: Azure) -> None:
    """Before the first champion the user is told to train one, and nothing is sent."""
    with pytest.raises(InputError, match="platform-train first"):
        submit.app(["score", "--source", ROWS], standalone_mode=False)
    assert not azure.calls("PUT", "")


def test_scoring_that_failed_is_an_error(azure: Azure) -> None:
    """A scoring job that failed is one line that says where to look."""
    champion(azure, "7")
    azure.job_status = "Failed"
    with pytest.raises(InputError, match="ended as Failed"):
        submit.app(["score", "--source", ROWS], standalone_mode=False)


def test_setup_tells_what_is_there(azure: Azure, capsys: pytest.CaptureFixture[str]) -> None:
    """The workspace's parts are told, those that are missing with the task that makes them, and nothing is changed."""
    azure.resources[f"{azure_stub.ROOT}/computes"] = {"value": []}
    submit.app(["setup"], standalone_mode=False)
    told = capsys.readouterr().out.splitlines()
    assert told == [
        f"workspace: {azure_stub.WORKSPACE} in stub",
        "storage: ststub/azureml",
        "compute: serverless",
        "data: none yet: run uv run poe platform-data",
        "champion: none yet: run uv run poe platform-train",
    ]
    champion(azure, "7")
    submit.app(["setup"], standalone_mode=False)
    assert f"champion: azureml:{NAME}:7" in capsys.readouterr().out
    assert {request.method for request in azure.requests if request.host.startswith("management")} == {"GET"}


def test_mistake_in_the_settings_costs_no_job(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that has no settings file is refused before anything is sent."""
    monkeypatch.setenv("ENVIRONMENT", "nowhere")
    with pytest.raises(InputError, match=r"nowhere\.yml"):
        submit.app(["train"], standalone_mode=False)
    assert azure.requests == []
