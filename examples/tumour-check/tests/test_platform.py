"""What is sent to Azure ML: the job runs here as it would there, and reaches the service (azure_stub.py) as meant."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aml_runner
import azure_stub
import cases
import pandas as pd
import pytest
from azure_stub import Azure, Request
from conftest import Pipeline

from tumour_check import NAME, rows, schema, settings
from tumour_check.errors import InputError
from tumour_check.parameters import Train

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ACCELERATORS = ["cpu", *({"gpu"} & PROJECT["project"].get("optional-dependencies", {}).keys())]
# Where training can have a GPU, it can also run in several processes.
PROCESSES = len(ACCELERATORS)
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


def asked(*pairs: str) -> settings.Settings:
    """The settings of a job that trains in one process without a GPU, unless the pairs say otherwise."""
    alone = ("compute.accelerator=cpu", "compute.nodes=1", "compute.processes=1")
    return settings.load(ROOT / "config/dev.yml", [*alone, *pairs])


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
        "settings": asked(),
        "source": ROWS,
        "environment": "azureml:packages:1",
    }
    return submit.Plan(**(chosen | changes))


# --- the graph runs ------------------------------------------------------------------------------------------------


def test_pipeline_runs_to_a_report_that_passed(made: Path, tmp_path: Path) -> None:
    """The job that would be sent runs here, on what would be uploaded, to a report whose gate passed.

    Where training can, it runs in two processes, of which one writes.
    """
    several = asked(f"compute.processes={PROCESSES}")
    job = submit.build(plan(tmp_path, source=str(made / "data/raw"), settings=several))
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


def scoring(tmp_path: Path, made: Path, source: Path, files: int) -> Any:
    """The scoring job for rows in a folder and the model that was made, with so many files a batch."""
    of = {"source": str(source), "champion": str(made / "outputs/model"), "settings": asked(f"score.files={files}")}
    return submit.build(plan(tmp_path, pipeline="score", outputs=("predictions",), **of))


def in_tables(raw: pd.DataFrame, source: Path) -> None:
    """Write rows as three tables, of which one row has no id."""
    raw.loc[3, schema.ID] = None
    (raw.iloc[:100].to_csv if cases.TEXT else raw.iloc[:100].to_parquet)(source / "a.table", index=False)
    (source / "a.table").rename(source / ("a.csv" if cases.TEXT else "a.parquet"))
    raw.iloc[100:200].to_parquet(source / "b.parquet")
    raw.iloc[200:].to_parquet(source / "c.parquet")


def in_files(raw: pd.DataFrame, source: Path) -> None:
    """Write some rows as a file each, which makes three batches of 25 files, two of which begin with like paths."""
    label, suffix = raw[schema.TARGET].iloc[0], rows.FILES[0]
    # Beside them lies .amlignore, which comes first.
    folders = ["a--a/x", *[f"a-0/{number}" for number in range(23)], "a/a/x", *[f"b/{number}" for number in range(45)]]
    paths = [f"{folder}/{label}/1{suffix}" for folder in folders]
    rows.write(raw.head(70).assign(**{schema.ID: paths}), source)


@pytest.mark.parametrize(("lay", "files"), [(in_tables, 2), *([(in_files, 25)] if rows.FILES else [])])
def test_scoring_job_gives_what_pipeline_score_gives(
    trained: Path,
    made: Path,
    raw: pd.DataFrame,
    pipeline: Pipeline,
    tmp_path_factory: pytest.TempPathFactory,
    lay: Callable[[pd.DataFrame, Path], None],
    files: int,
) -> None:
    """Files that several workers score give the same predictions, rejected rows and reasons as one process."""
    folder, source = tmp_path_factory.mktemp("job"), trained / "new"
    source.mkdir()
    lay(cases.misfit(raw, 4), source)
    (source / ".amlignore").touch()  # not all that lies in a folder is rows
    assert pipeline("score", "--source", "new", "--model", "outputs/model").code == 0

    outputs = aml_runner.run(scoring(folder, made, source, files), folder / "run", made / "mlflow.db")

    found = outputs["score"]["predictions"]
    assert len(list((found / "predictions.parquet").iterdir())) == 3
    assert pd.read_parquet(found / "rejected.parquet")[rows.REASON].str.contains(cases.MISFIT).sum() == 1
    for name in ("predictions", "rejected"):
        tables = [pd.read_parquet(where / f"{name}.parquet") for where in (found, trained / "outputs/predictions")]
        tables = [table.drop(columns=["model_version", "scored_at"], errors="ignore") for table in tables]
        ordered = [table.sort_values(list(table.columns), ignore_index=True) for table in tables]
        pd.testing.assert_frame_equal(ordered[0], ordered[1], rtol=0, atol=cases.TOLERANCE)
        assert len(ordered[0])
    assert pipeline("monitor", "--source", "new", "--model", "outputs/model", "--predictions", found).code == 0


def test_file_that_cannot_be_scored_fails_the_job(tmp_path: Path, made: Path, raw: pd.DataFrame) -> None:
    """One bad file among good ones fails the job, since predictions for the others would look like all."""
    source = tmp_path / "new"
    source.mkdir()
    raw.to_parquet(source / "good.parquet")
    raw.drop(columns=schema.ID).to_parquet(source / "bad.parquet")
    with pytest.raises(aml_runner.StepFailedError, match=f"column {schema.ID} is missing"):
        aml_runner.run(scoring(tmp_path, made, source, 1), tmp_path / "run", made / "mlflow.db")


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
    for name in {*(Path(sent).parts[0] for sent in submit.SNAPSHOT)}:
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


@pytest.mark.parametrize("pipeline", ["train", "sweep"])
@pytest.mark.parametrize(
    ("pairs", "compute", "resources", "processes"),
    [
        ("", "serverless", {"instance_count": 1}, None),
        ("compute.processes=4", "serverless", {"instance_count": 1}, 4),
        ("compute.accelerator=gpu", "serverless", {"instance_count": 1, "instance_type": submit.GPU}, None),
        ("compute.accelerator=gpu compute.nodes=2", "gpus", {"instance_count": 2}, 1),
    ],
)
def test_only_training_gets_what_compute_asks_for(
    tmp_path: Path, pipeline: str, pairs: str, compute: str, resources: dict[str, Any], processes: int | None
) -> None:
    """Machines, their size and processes go to the step that trains, or to a sweep's trials; a cluster has its size."""
    job = submit.build(plan(tmp_path, pipeline=pipeline, settings=asked(pairs), compute=compute))
    node = job.jobs["train"]
    training = getattr(node, "trial", None) or node.component
    distribution = training._to_rest_object().properties.component_spec.get("distribution")
    assert node._to_rest_object()["resources"] == resources
    assert distribution == (processes and {"type": "pytorch", "process_count_per_instance": processes})
    others = [job.jobs[name] for name in ("prepare", "evaluate")]
    assert not any(node.resources or node.component.distribution for node in others)


def test_checkpoints_outlive_an_attempt(tmp_path: Path) -> None:
    """Training that writes checkpoints writes them to a mount of the job; other training has none."""
    job = submit.build(plan(tmp_path))
    training = job.jobs["train"].component
    keeps = "checkpoint" in Train.model_fields
    assert ("checkpoint" in training.outputs) is keeps
    assert ("--set train.checkpoint=${{outputs.checkpoint}}/" in training.command) is keeps


@pytest.mark.parametrize("pipeline", ["train", "sweep", "score"])
def test_every_step_knows_the_services(tmp_path: Path, pipeline: str) -> None:
    """Addresses of services reach each step: a command sets them, workers of a parallel step have them as variables."""
    known = {
        "AZURE_SEARCH_ENDPOINT": "https://srch.search.windows.net",
        "AZURE_OPENAI_ENDPOINT": "https://ai.openai.azure.com",
    }
    job = submit.build(plan(tmp_path, pipeline=pipeline, champion="azureml:model:1", addresses=known))
    for node in job.jobs.values():
        command = getattr(getattr(node, "trial", None) or node.component, "command", None)
        if command is None:
            assert node._to_rest_object()["environment_variables"] == known
        else:
            printed = subprocess.run(
                ["bash", "-c", re.sub("&& .*", "&& env", command)], capture_output=True, text=True, check=True
            )
            assert {f"{name}={address}" for name, address in known.items()} <= set(printed.stdout.splitlines())


def test_addresses_come_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job gets the addresses that are set here, and none that could be more than an address."""
    monkeypatch.setattr(submit, "ADDRESSES", ("AZURE_OPENAI_ENDPOINT", "AZURE_SEARCH_ENDPOINT"))
    monkeypatch.delenv("AZURE_SEARCH_ENDPOINT", raising=False)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://ai.openai.azure.com")
    assert submit.known_addresses() == {"AZURE_OPENAI_ENDPOINT": "https://ai.openai.azure.com"}
    for hostile in ("https://a; rm -rf /", "https://$(id).net", "https://a.net\nX=1", "ai.openai.azure.com"):
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", hostile)
        with pytest.raises(InputError, match="AZURE_OPENAI_ENDPOINT is no address"):
            submit.known_addresses()


def test_batches_are_as_large_as_the_settings_say(tmp_path: Path) -> None:
    """The service hands out as many files at once as score.files says."""
    job = submit.build(plan(tmp_path, pipeline="score", champion="azureml:model:1", settings=asked("score.files=64")))
    assert job.jobs["score"]._to_rest_object()["mini_batch_size"] == 64


def requirements(tmp_path: Path, options: str) -> set[str]:
    """The names of the packages in an image's build context."""
    submit.write_context(tmp_path, options)
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    return {line.split("==")[0] for line in lines if "==" in line}


def names(listed: list[Any]) -> set[str]:
    """The names of packages in a list of pyproject.toml."""
    return {re.split(r"[<>=\[ ]", entry)[0] for entry in listed if isinstance(entry, str)}


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_training_image_has_what_trains(tmp_path: Path, accelerator: str) -> None:
    """The image for training has the packages of its accelerator and the link to the workspace."""
    found = requirements(tmp_path, submit.packages("train", asked(f"compute.accelerator={accelerator}").compute))
    extras = PROJECT["project"].get("optional-dependencies", {})
    trains = {"cpu": PROJECT["dependency-groups"]["training"], **extras}[accelerator]
    assert names(trains) | {"azureml-mlflow", "scikit-learn"} <= found


def test_scoring_image_has_nothing_of_training(tmp_path: Path) -> None:
    """The image for scoring has what the service's driver needs, and no large package that only training needs."""
    found = requirements(tmp_path, submit.packages("score", asked().compute))
    assert {"azureml-core", "azureml-dataprep", "scikit-learn"} <= found
    assert not {"onnx", "timm", "torch", "transformers"} & found


def test_image_knows_the_index_of_each_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip is told of an index when a package for the image was locked from there, and of no other."""
    tool, locked = tmp_path / "uv", ""
    for version, place in (("1.0", submit.PYPI), ("1.0+cpu", "https://cpu/simple"), ("1.0+gpu", "https://gpu/simple")):
        locked += f'[[package]]\nname = "net"\nversion = "{version}"\n[package.source]\nregistry = "{place}"\n'
    (tmp_path / "uv.lock").write_text(locked)
    tool.write_text("#!/bin/sh\necho \"net==1.0 ; sys_platform == 'darwin'\nnet==1.0+cpu ; sys_platform == 'linux'\"\n")
    tool.chmod(0o755)
    monkeypatch.setenv("UV", str(tool))
    monkeypatch.setattr(submit, "PROJECT", tmp_path)
    submit.write_context(tmp_path, submit.TRAINING["cpu"])
    assert (tmp_path / "requirements.txt").read_text().splitlines()[:2] == [
        "--extra-index-url https://cpu/simple",
        "net==1.0 ; sys_platform == 'darwin'",
    ]


@pytest.mark.parametrize("pair", ["compute.accelerator=gpu", "compute.nodes=2", "compute.processes=2"])
def test_training_that_knows_no_gpu_is_sent_to_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair: str) -> None:
    """Without an extra `gpu`, settings that ask for a GPU or for several processes are one line with the mend."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "plain"\n')
    monkeypatch.setattr(submit, "PROJECT", tmp_path)
    with pytest.raises(InputError, match=r"no extra gpu.*set compute\.accelerator to cpu"):
        submit.packages("train", asked(pair).compute)


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
    monkeypatch.setattr(submit, "write_context", lambda folder, options: (folder / "Dockerfile").write_text(options))
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


def test_size_of_the_gpu_machine_is_taken_from_the_environment(
    azure: Azure, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AZURE_ML_GPU names the size of the serverless machine that trains, where the settings ask for a GPU."""
    writes(azure, made)
    monkeypatch.setenv("AZURE_ML_GPU", "Standard_ND96isr_H100_v5")
    gpu = asked("compute.accelerator=gpu")
    monkeypatch.setattr(submit.settings, "load", lambda *_: gpu)
    monkeypatch.setattr(submit, "packages", lambda *_: "")
    submit.app(["train", "--source", ROWS], standalone_mode=False)
    nodes = sent(azure)["jobs"]
    assert nodes["train"]["resources"] == {"instance_count": 1, "instance_type": "Standard_ND96isr_H100_v5"}
    assert not any("resources" in nodes[name] for name in ("prepare", "evaluate"))


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
    azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, kind: str, number: int
) -> None:
    """Creating the environment or the data asset again, with the same content, sends nothing."""
    delivered(monkeypatch, tmp_path, "a")
    submit.app([command], standalone_mode=False)
    uploads = len(azure.blobs)
    submit.app([command], standalone_mode=False)
    assert len(azure.calls("PUT", f"/{kind}/")) == number
    assert len(azure.blobs) == uploads > 0


def delivered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> str:
    """Let data/raw be that of a project with one file; its version."""
    project = tmp_path / f"project-{content}"
    shutil.copytree(ROOT / "aml", project / "aml")
    (project / "data/raw/below").mkdir(parents=True)
    (project / "data/raw/below/rows.csv").write_text(content)
    monkeypatch.setattr(submit, "AML", project / "aml")
    return str(submit.content_version(project / "data/raw"))


def test_training_takes_the_rows_that_were_sent_last(
    azure: Azure, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --source the job reads the newest data asset, by its exact version."""
    writes(azure, made)
    for content in ("earlier", "later"):
        expected = delivered(monkeypatch, tmp_path, content)
        submit.app(["data"], standalone_mode=False)
    submit.app(["train"], standalone_mode=False)
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
