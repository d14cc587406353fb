"""The bundle is sound, and the linter that says so sees each mistake."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bundle_graph
import pytest
import yaml
from bundle import ENTRY, UnreadableError, read, resolve

pytestmark = pytest.mark.platform

ROOT = Path(__file__).parents[1]
FILES = ("databricks.yml", "pyproject.toml", "resources", "config", "databricks")
REMOVED = object()

TRAIN = "resources.jobs.train.tasks[train]"
EVALUATE = "resources.jobs.train.tasks[evaluate]"
TRIAL = "resources.jobs.sweep.tasks[trials].for_each_task.task"
WORDS = f"{EVALUATE}.python_wheel_task.parameters"
ENDPOINT = {"name": "x", "config": {"served_entities": [{"entity_name": "x", "entity_version": "1"}]}}

# Key path, what a slip of the hand writes there, and what the finding must say. A path with + adds to a list.
FAULTS: list[tuple[str, Any, str]] = [
    # words and values
    ("targetz", {}, "targetz: no such key: targets?"),
    ("bundle.nam", "x", "bundle.nam: no such key: name?"),
    ("targets.prod.mod", "production", "targets.prod.mod: no such key: mode?"),
    ("targets.prod.presets", {"tag": {}}, "targets.prod.presets.tag: no such key: tags?"),
    ("artifacts.wheel.built", "x", "artifacts.wheel.built: no such key: build?"),
    ("variables.catalog.defualt", "x", "variables.catalog.defualt: no such key: default?"),
    ("sync.excludes", [], "sync.excludes: no such key: exclude?"),
    ("targets.prod.mode", "prod", "'prod' is no mode: write development or production"),
    ("bundle.engine", "fast", "'fast' is no engine"),
    ("targets.prod.presets", {"trigger_pause_status": "paused"}, "'paused' is no trigger_pause_status"),
    ("resources.schemas.project.comment", None, "resources.schemas.project.comment: has no value"),
    ("include+", "jobs/*.yml", "no file matches jobs/*.yml"),
    ("targets.dev.default", REMOVED, "0 targets are the default"),
    ("targets.prod.mode", REMOVED, "targets.prod.mode: missing"),
    # types
    ("resources.jobz", {"x": {}}, "resources.jobz: no such kind of resource"),
    (f"{TRAIN}.depend_on", [], "Unexpected field 'depend_on'"),
    ("resources.jobs.train.performance_target", "FAST", "'FAST' is not a valid PerformanceTarget"),
    ("resources.jobs.train.description", {"text": "x"}, "would be read as"),
    ("resources.experiments.training.description", "x", "Unexpected field 'description'"),
    ("resources.jobs.score.schedule.timezone_id", REMOVED, "timezone_id"),
    # references
    ("resources.volumes.files.comment", "${var.katalog}", "${var.katalog}: no such variable: catalog?"),
    ("targets.prod.variables.catalog", REMOVED, "${var.catalog}: it has no value"),
    ("variables.idle", {"default": "x"}, "variables.idle: nothing uses it"),
    ("resources.volumes.files.schema_name", "${resources.schemas.projekt.name}", "no such resource"),
    ("resources.volumes.files.schema_name", "${resources.schemas.project.nam}", "the resource has no nam"),
    ("resources.volumes.files.schema_name", "${resources.schemas.project}", "names no field"),
    ("resources.volumes.files.comment", "${bundle.traget}", "bundle has no traget: target?"),
    ("resources.volumes.files.comment", "${workspace.current_user.name}", "workspace has no current_user.name"),
    ("resources.volumes.files.comment", "${env.HOME}", "there is no env"),
    ("resources.volumes.files.comment", "${var.catalog", "holds a ${ that is no reference"),
    ("resources.jobs.train.description", "{{job.run_id", "holds a {{ that is not closed"),
    # the graph
    (f"{TRAIN}.depends_on[prepare].task_key", "prepair", "the job has no task prepair: prepare?"),
    (f"{TRAIN}.depends_on[prepare].outcome", "true", "prepare is no condition_task"),
    ("resources.jobs.score.tasks[retrain].depends_on[drifted].outcome", "yes", "the outcome 'yes' never comes"),
    ("resources.jobs.train.tasks[prepare].depends_on", [{"task_key": "evaluate"}], "they wait for each other"),
    (f"{EVALUATE}.environment_key", "default", "the job has no environment default"),
    (f"{EVALUATE}.environment_key", REMOVED, "says not where to run"),
    ("resources.jobs.train.environments+", {"environment_key": "b", "spec": {}}, "no task uses it"),
    ("resources.jobs.train.environments[locked].spec.dependencies", ["../dist/*.whl"] * 0, "no wheel of this project"),
    ("resources.jobs.train.environments[locked].spec.dependencies+", "../wheels/*.whl", "no artifact builds"),
    ("resources.jobs.train.environments[locked].spec.dependencies+", "-r ../x.txt", "-r ../x.txt is not deployed"),
    ("resources.jobs.score.tasks[retrain].run_job_task.job_id", 12345, "name a job of this bundle"),
    ("resources.jobs.score.tasks[retrain].run_job_task.job_parameters", {"rows": "x"}, "declares no such parameter"),
    (f"{WORDS}+", "--set=train.seed={{job.parameters.seed}}", "the job declares no parameter seed"),
    (f"{WORDS}+", "--set=train.seed={{tasks.register.values.seed}}", "evaluate does not wait for register"),
    (f"{WORDS}+", "--set=train.seed={{tasks.prepare.values.seed}}", "prepare sets no value seed"),
    (f"{WORDS}+", "--set=train.seed={{tasks.prepare.state}}", "a task has no state"),
    (f"{WORDS}+", "--set=train.seed={{input}}", "only a task inside a for_each_task has an input"),
    (f"{WORDS}+", "--set=train.seed={{job.runid}}", "the service knows no such value: job.run_id?"),
    ("resources.jobs.sweep.parameters[trials].default", "all", "'all' is no list of JSON"),
    (f"{TRIAL}.notebook_task.base_parameters.seed", "{{input.seed}}", "an input has no such key"),
    # what the tasks run
    (f"{EVALUATE}.python_wheel_task.package_name", "pipelines", "the wheel is called"),
    (f"{EVALUATE}.python_wheel_task.entry_point", "main", "no script of pyproject.toml, which has pipeline"),
    (f"{EVALUATE}.python_wheel_task.named_parameters", {"data": "x"}, "parameters of both kinds"),
    (f"{WORDS}[0]", "evalute", "No such command 'evalute'"),
    (f"{TRAIN}.notebook_task.base_parameters.pipeline", "trian", "No such command 'trian'"),
    (f"{TRAIN}.notebook_task.base_parameters.pipeline", "train\n--seed=1", "No such option: --seed"),
    (f"{TRAIN}.notebook_task.base_parameters.files", REMOVED, "the notebook asks for it"),
    (f"{TRAIN}.compute", {"accelerator": "GPU_1xA10"}, "Unexpected field 'accelerator'"),
    (f"{WORDS}+", "--seed=1", "No such option: --seed"),
    (f"{WORDS}+", "--data", "requires an argument"),
    (f"{WORDS}+", "--help", "it only prints a help"),
    (f"{WORDS}[1]", REMOVED, "--data outputs/data is lost with the task"),
    (f"{WORDS}+", "--data=/Volumes/${var.catalog}/other/files/data", "is in no volume of this bundle"),
    (f"{WORDS}+", "--config=${workspace.file_path}/config/test.yml", "no such file is deployed"),
    (f"{WORDS}+", "--set=train.sede=1", "unknown setting train.sede"),
    (f"{WORDS}+", "--set=tracking.uri=sqlite:///x", "tracking.uri=databricks is missing"),
    (f"{WORDS}+", "--set=tracking.experiment=/Shared/x", "tracking.experiment /Shared/x is none of this bundle"),
    (f"{WORDS}+", "--set=registry.name=x.y.z", "is no model of this bundle"),
    ("resources.jobs.sweep.parameters[trials].default", '[{"number": "0", "set": "train.sede=1"}]', "train.sede"),
    ("resources.jobs.sweep.tasks[best].spark_python_task.python_file", "../databricks/worst.py", "no file worst.py"),
    ("resources.jobs.sweep.tasks[best].spark_python_task.parameters+", "--worst", "No such option: --worst"),
    ("sync.exclude+", "databricks/best.py", "no file best.py there is deployed"),
    ("resources.jobs.score.tasks[decide].notebook_task.base_parameters.raw", REMOVED, "the notebook asks for it"),
    ("resources.jobs.score.tasks[drifted].condition_task.left", "{{tasks.decide.values.x}}", "decide sets no value x"),
    # policy
    ("targets.prod.workspace.root_path", REMOVED, "`mode: production` needs its own"),
    ("targets.prod.workspace.root_path", "/Workspace/Shared/x", "everybody may write below /Workspace/Shared"),
    ("targets.dev.workspace.root_path", "/Workspace/all", "everybody's in development"),
    ("targets.dev.presets", {"trigger_pause_status": "UNPAUSED"}, "`mode: development` starts nothing by itself"),
    ("targets.prod.workspace.host", "x", "names a workspace or an identity"),
    ("workspace", {"profile": "me"}, "names a workspace or an identity"),
    ("variables.approval.description", "like dapi0123456789abcdef0", "looks like a token"),
    ("resources.model_serving_endpoints", {"model-x": ENDPOINT}, "fails at the first deployment"),
    ("resources.volumes.files.schema_name", "rows", "'rows' is a literal"),
    ("resources.schemas.project.comment", "all of ml_prod", "names a catalog"),
    ("resources.jobs.train.description", "reads /Volumes/x/y", "names a catalog"),
    ("resources.jobs.train.timeout_seconds", REMOVED, "resources.jobs.train.timeout_seconds: missing or 0"),
    ("resources.jobs.train.max_concurrent_runs", 0, "resources.jobs.train.max_concurrent_runs: missing or 0"),
    ("resources.jobs.deploy.max_concurrent_runs", 2, "a deployment job runs one at a time"),
    ("resources.jobs.score.schedule.pause_status", "UNPAUSED", "starts with the deployment"),
    ("presets.trigger_pause_status", REMOVED, "starts with the deployment"),
    (f"{EVALUATE}.max_retries", 3, "what it decides it decides once"),
    (f"{EVALUATE}.disable_auto_optimization", REMOVED, "serverless compute retries otherwise"),
    ("resources.schemas.project.grants+", {"principal": "x", "privileges": []}, "grants[1].privileges: missing"),
]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the bundle and of what it deploys."""
    for name in FILES:
        copy: Callable[..., Any] = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    return tmp_path


def spoil(root: Path, path: str, value: Any) -> None:
    """Write a value at a key path of the file that holds it."""
    keys = tuple(re.findall(r"\[[^\]]*\]|[^.\[\]+]+", path))
    file = root / read(root).file(keys)
    document = yaml.load(file.read_text(), yaml.CSafeLoader)
    place = document
    for key in keys[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[_position(place, key)]
    last = keys[-1] if isinstance(place, dict) else _position(place, keys[-1])
    if path.endswith("+"):
        place.setdefault(last, []).append(value)
    elif value is REMOVED:
        del place[last]
    else:
        place[last] = value
    file.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))


def _position(items: list[Any], key: str) -> int:
    name = key.strip("[]")
    return int(name) if name.isdigit() else next(i for i, item in enumerate(items) if name in map(str, item.values()))


def test_bundle_is_sound() -> None:
    """The linter finds nothing in this project's bundle."""
    assert bundle_graph.lint(ROOT) == []


def test_copy_is_sound(copied: Path) -> None:
    """Nor does it in the copy that the next test spoils."""
    assert bundle_graph.lint(copied) == []


@pytest.mark.parametrize(("path", "value", "named"), FAULTS, ids=[fault[2] for fault in FAULTS])
def test_fault_is_found(copied: Path, path: str, value: Any, named: str) -> None:
    """Each mistake is named, with its file and key path, and nothing else is."""
    spoil(copied, path, value)
    findings = bundle_graph.lint(copied)
    assert findings
    assert all(named in finding for finding in findings), findings
    assert all(re.match(r"(databricks|resources/\w+)\.yml: [\w.-]+", finding) for finding in findings), findings


def test_machines_are_those_of_the_settings(copied: Path) -> None:
    """A training with a GPU that the settings do not ask for, or without the one that they ask for, is found."""
    base = yaml.safe_load((copied / "config/base.yml").read_text())
    prod = copied / "config/prod.yml"
    asked = (base.get("compute") or {}).get("accelerator", "cpu")
    other = {"cpu": "gpu", "gpu": "cpu"}[asked]
    prod.write_text(yaml.safe_dump({"compute": {"accelerator": other}}))
    findings = bundle_graph.lint(copied)
    assert {finding.split(": ")[1] for finding in findings} == {f"{TRAIN}.compute", f"{TRIAL}.compute"}
    assert all(f"and compute.accelerator is {other}" in finding for finding in findings)


def test_each_gpu_has_a_process(copied: Path) -> None:
    """A machine of eight GPUs is not paid for to use one; a cluster of one's own is left to who made it."""
    (copied / "config/prod.yml").write_text("compute: {accelerator: gpu, processes: 1}")
    train: dict[str, Any] = {"task_key": "train", "compute": {"hardware_accelerator": "GPU_8xH100"}}
    trial = {"task_key": "trials", "for_each_task": {"task": {"new_cluster": {"spark_version": "x"}}}}
    spoil(copied, "targets.prod.resources.jobs", {"train": {"tasks": [train]}, "sweep": {"tasks": [trial]}})
    found = [finding for finding in bundle_graph.lint(copied) if "prod" in finding]
    assert [finding.split(": ")[1] for finding in found] == [f"{TRAIN}.compute"]
    assert "write 8, one for each GPU" in found[0]
    (copied / "config/prod.yml").write_text("compute: {accelerator: gpu, processes: 8}")
    assert not any("prod" in finding for finding in bundle_graph.lint(copied))


def test_same_key_of_two_resources_is_found(copied: Path) -> None:
    """A key of two resources is found in two kinds and in two files, and so is a task that stands twice."""
    other: dict[str, Any] = {"jobs": {"project": {}}, "schemas": {}}
    (copied / "resources/other.yml").write_text(yaml.safe_dump({"resources": other}))
    assert any("project is the key of 2 resources" in finding for finding in bundle_graph.lint(copied))
    (copied / "resources/other.yml").unlink()
    spoil(copied, "resources.jobs.train.tasks+", {"task_key": "train"})
    assert any("two items have the task_key train" in finding for finding in bundle_graph.lint(copied))


def test_file_that_is_not_included_is_found(copied: Path) -> None:
    """A file beside the others that no pattern matches would never be deployed."""
    (copied / "resources/extra.yaml").write_text("resources: {}\n")
    (finding,) = bundle_graph.lint(copied)
    assert "resources/extra.yaml is not included" in finding


def test_finding_of_one_target_names_it(copied: Path) -> None:
    """What is wrong in one target only says in which."""
    spoil(copied, "targets.prod.variables.catalog", REMOVED)
    assert all(finding.endswith("(target prod)") for finding in bundle_graph.lint(copied))


@pytest.mark.parametrize("text", ["bundle: [", "- a", "bundle: {name: a}\nbundle: {name: b}", "resources: x", "\x00"])
def test_unreadable_file_is_one_line(
    copied: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no bundle gives exit code 2 and one line."""
    (copied / "resources/train.yml").write_text(text)
    monkeypatch.setattr(bundle_graph, "__file__", str(copied / "tests/bundle_graph.py"))
    assert bundle_graph.main() == 2
    assert re.fullmatch(r"error: resources/train.yml: .+\n", capsys.readouterr().err)


def test_no_bundle_is_an_error(tmp_path: Path) -> None:
    """A folder without a bundle does not pass for a sound one."""
    with pytest.raises(UnreadableError, match=ENTRY):
        bundle_graph.lint(tmp_path)


# --- what would be deployed ----------------------------------------------------------------------------------------


def test_targets_keep_apart() -> None:
    """No two targets share a schema, a volume, a model or an experiment."""
    bundle = read(ROOT)
    names = [json.dumps(resolve(bundle, target)["resources"]["schemas"]) for target in bundle.targets]
    assert len(bundle.targets) == len(set(names)) == 3


def test_development_has_names_of_its_own() -> None:
    """What development mode renames is referred to by its new name everywhere."""
    deployed = resolve(read(ROOT), "dev")
    name, resources = deployed["bundle"]["name"], deployed["resources"]
    (schema,), (model,), (volume,) = (resources[kind].values() for kind in ("schemas", "registered_models", "volumes"))
    assert schema["name"] == f"dev_jane_doe_{name}"
    assert model["schema_name"] == volume["schema_name"] == schema["name"]
    words = resources["jobs"]["train"]["tasks"][0]["python_wheel_task"]["parameters"]
    assert f"--set=registry.name=ml_dev.{schema['name']}.{model['name']}" in words


@pytest.mark.parametrize("target", ["dev", "staging", "prod"])
def test_target_adds_to_what_is_common(target: str) -> None:
    """Changes of a target add to a resource, and leave the rest of it as it is."""
    bundle = read(ROOT)
    (schema,) = resolve(bundle, target)["resources"]["schemas"].values()
    assert schema["grants"]
    assert (schema.get("lifecycle") == {"prevent_destroy": True}) is (target != "dev")
