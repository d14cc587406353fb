"""The registry in Unity Catalog, with MLflow's own client against a stand-in for the service (databricks_stub.py)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
import registry_cases
from databricks_stub import Answer, Databricks, Request, refusal
from registry_cases import a_model, add

from handbook_assistant import models, registry
from handbook_assistant.errors import InputError
from handbook_assistant.local_registry import LocalRegistry, Registry
from handbook_assistant.registry import DEFAULTS, UnityRegistry, connect
from handbook_assistant.settings import Tracking

pytestmark = pytest.mark.platform

NAME = "ml_test.of_a_test.model"
CREATE, FINALIZE = "model-versions/create", "model-versions/finalize"
ERRORS = {400: "BAD_REQUEST", 429: "REQUEST_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR"}
# Jobs are told so by the bundle; without it, MLflow would make a local store.
WHERE = Tracking(uri="databricks")


class UnityHarness:
    """A registered model's registry, and the service that holds it."""

    def __init__(self, service: Databricks) -> None:
        self.service = service
        self.registry: Registry = connect(NAME, WHERE)

    def aliases(self) -> dict[str, set[str]]:
        """See `registry_cases.Harness`."""
        held = self.service.catalog.models[NAME]["aliases"]
        return {
            number: {entry["alias"] for entry in held if entry["version"] == number}
            for number, version in self._versions().items()
            if version["status"] == "READY"
        }

    def tags(self, version: str) -> dict[str, str]:
        """See `registry_cases.Harness`."""
        return {tag["key"]: tag["value"] for tag in self.service.catalog.versions[NAME][version]["tags"]}

    def unfinished(self) -> int:
        """See `registry_cases.Harness`."""
        return sum(version["status"] != "READY" for version in self._versions().values())

    def begins(self, request: Request) -> bool:
        """See `registry_cases.Cloud`."""
        return request.path.endswith(CREATE)

    def counts(self, request: Request) -> bool:
        """See `registry_cases.Cloud`."""
        return request.path.endswith(FINALIZE)

    def refusal(self, status: int, headers: dict[str, str]) -> Answer:
        """See `registry_cases.Cloud`."""
        answer = refusal(status, ERRORS[status], "a stub's answer")
        answer.headers |= headers
        return answer

    def elsewhere(self, digest: str) -> None:
        """See `registry_cases.Cloud`."""
        versions = self.service.catalog.versions[NAME]
        number = str(len(versions) + 1)
        tags = [{"key": "digest", "value": digest}, {"key": "attempt", "value": "another"}]
        versions[number] = {"name": NAME, "version": number, "status": "READY", "tags": tags}
        self.service.catalog.models[NAME]["aliases"].append({"alias": "challenger", "version": number})

    def _versions(self) -> dict[str, dict[str, str]]:
        versions = self.service.catalog.versions[NAME]
        return {number: version for number, version in versions.items() if version}


@pytest.fixture
def databricks(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Databricks]:
    """A workspace with a model without versions, and clients that soon lose their patience with it."""
    databricks = Databricks()
    databricks.catalog.deploy(NAME)
    with databricks.running() as environment:
        quick = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
        # Databricks' own client reads this one from a profile only.
        profile = project / "databricks.cfg"
        profile.write_text(f"[quick]\nhttp_timeout_seconds = {registry_cases.TIMEOUT}\n")
        chosen = {"DATABRICKS_CONFIG_FILE": str(profile), "DATABRICKS_CONFIG_PROFILE": "quick"}
        # Set, although the registry would, so that nothing is left of it after the test.
        for name, value in {**DEFAULTS, **environment, **quick, **chosen}.items():
            monkeypatch.setenv(name, value)
        yield databricks
    mlflow.set_tracking_uri("")


@pytest.fixture
def harness(databricks: Databricks) -> UnityHarness:
    """The registry that a process with these variables gets."""
    return UnityHarness(databricks)


@pytest.mark.parametrize("case", [*registry_cases.EVERY, *registry_cases.CLOUD], ids=lambda case: case.__name__)
def test_contract(case: Callable[[UnityHarness, Path], None], harness: UnityHarness, project: Path) -> None:
    """Unity Catalog holds what every registry must."""
    assert isinstance(harness.registry, UnityRegistry)
    case(harness, project)


@pytest.mark.parametrize("name", ["model", "schema.model", "a.b.c.d"])
def test_other_names_are_local(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Only a name of three parts is Unity Catalog's."""
    monkeypatch.setattr(LocalRegistry, "__init__", lambda *_: None)
    assert isinstance(connect(name, WHERE), LocalRegistry)


def test_files_go_through_the_workspace(harness: UnityHarness, databricks: Databricks, project: Path) -> None:
    """A version's files are stored as they are, by the workspace, and nobody asks for a key of the storage."""
    folder = a_model(project, "first")
    version = add(harness, folder, "champion")
    stored = databricks.files.below(f"/Models/{NAME.replace('.', '/')}/{version}")
    assert stored == registry_cases.contents(folder)
    assert databricks.calls("POST", "temporary-credentials") == []


def test_runs_and_experiments_stay_untouched(harness: UnityHarness, databricks: Databricks, project: Path) -> None:
    """Registering and downloading make no run, no experiment and no local store."""
    add(harness, a_model(project, "first"), "champion")
    target = project / "download"
    target.mkdir()
    harness.registry.download(registry_cases.champion(harness), target)
    asked = [request.path for request in databricks.requests if "/mlflow/" in request.path]
    assert [path for path in asked if not path.startswith("/api/2.0/mlflow/unity-catalog/")] == []
    assert not (project / "mlflow.db").exists()


def test_version_made_twice_is_removed(harness: UnityHarness, databricks: Databricks, project: Path) -> None:
    """When the answer about a new version is lost, the client makes another, and the first does not stay behind."""
    dropped: list[Request] = []

    def first_only(request: Request) -> bool:
        if dropped or not harness.begins(request):
            return False
        dropped.append(request)
        return True

    databricks.lose = first_only
    assert add(harness, a_model(project, "first"), "champion") == "2"
    assert dropped
    assert harness.aliases() == {"2": {"champion"}}
    assert harness.unfinished() == 0


def test_failed_upload_leaves_nothing(harness: UnityHarness, databricks: Databricks, project: Path) -> None:
    """When the files cannot be sent, the version that waits for them is removed, and the next try succeeds."""
    folder = a_model(project, "first")
    databricks.intercept = lambda request: harness.refusal(500, {}) if "/fs/files/" in request.path else None
    with pytest.raises(InputError, match=r"refused the request: .*uploading"):
        add(harness, folder, "champion")
    assert harness.aliases() == {}
    assert harness.unfinished() == 0
    databricks.intercept = lambda _: None
    registry_cases.registered_once(harness, project / "again")


def test_unfinished_version_of_another_does_not_count(
    harness: UnityHarness, databricks: Databricks, project: Path
) -> None:
    """A version whose process was killed is neither taken for the model nor touched."""
    folder = a_model(project, "first")
    add(harness, a_model(project, "other"), "champion")
    harness.elsewhere(models.digest(folder))
    databricks.catalog.versions[NAME]["2"]["status"] = "PENDING_REGISTRATION"
    assert add(harness, folder, "challenger") == "3"
    assert harness.unfinished() == 1


def test_model_without_signature_is_one_line(harness: UnityHarness, project: Path) -> None:
    """What the client itself refuses to register is an error of one line."""
    folder = a_model(project, "first")
    (folder / "MLmodel").write_text("flavors: {}\n")
    with pytest.raises(InputError, match="signature"):
        add(harness, folder, "champion")
    assert harness.aliases() == {}


@pytest.mark.parametrize("part", ["unity-catalog/schemas", "registered-models/get", "model-versions/get"])
@pytest.mark.parametrize(
    ("status", "code", "mend"),
    [
        (401, "UNAUTHENTICATED", "az login"),
        (403, "PERMISSION_DENIED", "grant this identity"),
        (404, "NOT_FOUND", "deploy the bundle"),
        (400, "BAD_REQUEST", "bad request"),
        (500, "INTERNAL_ERROR", "run the command again"),
    ],
)
def test_refusal_is_one_line_with_the_mend(
    harness: UnityHarness, databricks: Databricks, project: Path, part: str, status: int, code: str, mend: str
) -> None:
    """Whatever the service refuses on the way to the champion is an error with a mend, and never no champion."""
    add(harness, a_model(project, "first"), "champion")
    databricks.intercept = lambda request: refusal(status, code, "bad\nrequest") if part in request.path else None
    with pytest.raises(InputError, match=mend) as caught:
        harness.registry.champion()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ml_tset.of_a_test.model", "ml_test.of_a_test.modle"])
def test_absent_model_is_not_an_empty_one(databricks: Databricks, project: Path, name: str) -> None:
    """A misspelt name is an error, not a place without a champion, and nothing is registered there."""
    registry = connect(name, WHERE)
    with pytest.raises(InputError, match=r"not found in Databricks: .*deploy the bundle"):
        registry.champion()
    with pytest.raises(InputError, match=r"not found in Databricks: .*deploy the bundle"):
        registry.register(a_model(project, "first"), "digest", "champion", {})
    assert list(databricks.catalog.models) == [NAME]


def test_half_a_name_is_refused(databricks: Databricks) -> None:
    """A name with an empty part is not registered somewhere else."""
    with pytest.raises(InputError, match="not found in Databricks"):
        connect(".of_a_test.model", WHERE).champion()


def test_unreachable_workspace_is_one_line(harness: UnityHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nobody answers is told soon."""
    monkeypatch.setattr(registry, "PATIENCE", 1)
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="could not be reached: look at DATABRICKS_HOST"):
        harness.registry.champion()


def test_no_sign_in_is_one_line(harness: UnityHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not signed in is told to."""
    monkeypatch.delenv("DATABRICKS_TOKEN")
    with pytest.raises(InputError, match="az login"):
        harness.registry.champion()


def test_version_without_files_is_one_line(harness: UnityHarness, databricks: Databricks, project: Path) -> None:
    """A version whose files are gone is an error that says what to do."""
    add(harness, a_model(project, "first"), "champion")
    databricks.files.contents.clear()
    with pytest.raises(InputError, match="no MLmodel file"):
        harness.registry.download(registry_cases.champion(harness), project / "download")


def test_defaults_leave_what_is_set(databricks: Databricks, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own settings can be changed from outside; the registry sets what nobody set."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    monkeypatch.delenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR")
    connect(NAME, WHERE)
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "7"
    assert os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] == "false"
