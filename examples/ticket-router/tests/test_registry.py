"""The registry of the workspace, with Azure's own client against a stand-in for the service (azure_stub.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import azure_stub
import pytest
import registry_cases
from azure_stub import Answer, Azure, Request
from registry_cases import a_model, add

from ticket_router import models
from ticket_router.errors import InputError
from ticket_router.local_registry import LocalRegistry, Registry
from ticket_router.registry import FORMER, AzureRegistry, JobRegistry, connect
from ticket_router.settings import Tracking

pytestmark = [
    pytest.mark.platform,
    # Of the libraries that azure-ai-ml is made of.
    pytest.mark.filterwarnings("ignore:::marshmallow"),
    pytest.mark.filterwarnings("ignore:::azure"),
]

NAME = registry_cases.NAME
JOB = ("AZUREML_RUN_ID", "MLFLOW_TRACKING_URI")


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """An empty workspace that the environment variables name."""
    with azure_stub.running(tmp_path) as (azure, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for name in JOB:
            monkeypatch.delenv(name, raising=False)
        yield azure


class AzureHarness:
    """The models of a workspace, and the service that holds them."""

    def __init__(self, service: Azure) -> None:
        self.service = service
        self.registry: Registry = connect(NAME, Tracking())

    def aliases(self) -> dict[str, set[str]]:
        """See `registry_cases.Harness`."""
        return {version: {alias} - {FORMER} for version, alias in tags(self.service).items()}

    def tags(self, version: str) -> dict[str, str]:
        """See `registry_cases.Harness`."""
        held: dict[str, str] = self.service.versions("models", NAME)[version]["properties"]["tags"]
        return held

    def unfinished(self) -> int:
        """None: a version is made after its files."""
        return 0

    def begins(self, request: Request) -> bool:
        """See `registry_cases.Cloud`."""
        return request.method == "PUT" and f"/models/{NAME}/versions/" in request.path

    def counts(self, request: Request) -> bool:
        """See `registry_cases.Cloud`."""
        return self.begins(request)

    def refusal(self, status: int, headers: dict[str, str]) -> Answer:
        """See `registry_cases.Cloud`."""
        return Answer(status, {"error": {"code": "Stub", "message": "a stub's answer"}}, headers=headers)

    def elsewhere(self, digest: str) -> None:
        """See `registry_cases.Cloud`."""
        self.put("1", digest, "challenger")

    def put(self, version: str, digest: str, alias: str) -> None:
        """Have a version in the workspace that nobody here registered."""
        path = f"{azure_stub.ROOT}/models/{NAME}/versions/{version}"
        marks = {"digest": digest, "alias": alias}
        properties = {"modelUri": "azureml://elsewhere/paths/other", "modelType": "mlflow_model", "tags": marks}
        made = {"createdAt": "2026-01-01T00:00:00+00:00"}
        stored = {"id": path, "name": version, "properties": {**properties, "flavors": {}}, "systemData": made}
        self.service.resources[path] = stored


@pytest.fixture
def harness(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> AzureHarness:
    """The registry that a process with these variables gets, with a client that soon loses its patience."""
    quick = {"retry_status": 3, "retry_backoff_max": 0.1, "read_timeout": registry_cases.TIMEOUT}
    monkeypatch.setattr("ticket_router.registry.PATIENCE", quick)
    return AzureHarness(azure)


@pytest.fixture
def registry(harness: AzureHarness) -> Registry:
    """What has to hold the contract."""
    return harness.registry


def tags(azure: Azure) -> dict[str, str]:
    """The alias of each version, as the service holds it."""
    return {key: body["properties"]["tags"]["alias"] for key, body in azure.versions("models", NAME).items()}


@pytest.mark.parametrize("case", [*registry_cases.EVERY, *registry_cases.CLOUD], ids=lambda case: case.__name__)
def test_contract(case: Callable[[AzureHarness, Path], None], harness: AzureHarness, tmp_path: Path) -> None:
    """The registry of the workspace holds what every registry must."""
    assert isinstance(harness.registry, AzureRegistry)
    case(harness, tmp_path)


def test_version_is_a_model_of_mlflow(harness: AzureHarness, azure: Azure, tmp_path: Path) -> None:
    """A version is of the type that Azure ML deploys without a scoring script, and comes with its tags at once."""
    folder = a_model(tmp_path, "first")
    version = add(harness, folder, "champion")
    properties = azure.versions("models", NAME)[version]["properties"]
    assert properties["modelType"] == "mlflow_model"
    assert properties["tags"] == {"gate": "passed", "digest": models.digest(folder), "alias": "champion"}
    assert len(azure.calls("PUT", f"/models/{NAME}/versions/")) == 1


def test_newest_of_two_champions_counts(harness: AzureHarness) -> None:
    """When a promotion stopped half-way, the newer version is the champion; versions are numbers, 10 is after 9."""
    for version, alias in (("8", "challenger"), ("10", "champion"), ("9", "champion"), ("x", "champion")):
        harness.put(version, f"digest {version}", alias)
    assert registry_cases.champion(harness).version == "10"


def test_version_without_model_is_one_line(harness: AzureHarness, azure: Azure, tmp_path: Path) -> None:
    """A version whose files are gone is an error that says what to do."""
    add(harness, a_model(tmp_path, "first"), "champion")
    azure.blobs = {name: blob for name, blob in azure.blobs.items() if not name.endswith("MLmodel")}
    with pytest.raises(InputError, match="no MLmodel file"):
        harness.registry.download(registry_cases.champion(harness), tmp_path / "download")


@pytest.mark.parametrize("value", [None, ""])
def test_without_workspace_the_registry_is_local(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """Without AZURE_ML_WORKSPACE, or with an empty one, models are registered in the project folder."""
    monkeypatch.setattr(LocalRegistry, "__init__", lambda *_: None)
    for name in (*JOB, "AZURE_ML_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv("AZURE_ML_WORKSPACE", value)
    assert isinstance(connect(NAME, Tracking()), LocalRegistry)


@pytest.mark.parametrize(
    ("status", "said", "mend"),
    [
        (403, "no permission", "AzureML Data Scientist"),
        (404, "no such workspace", "AZURE_ML_WORKSPACE"),
        (400, "bad\nrequest", "bad request"),
        (500, "broken", "run the command again"),
    ],
)
def test_refusal_is_one_line_with_the_mend(registry: Registry, azure: Azure, status: int, said: str, mend: str) -> None:
    """What the service refuses is an error with a mend; a workspace that is not there is not an empty one."""
    azure.intercept = lambda request: (
        Answer(status, {"error": {"code": "Stub", "message": said}}) if request.host.startswith("management") else None
    )
    with pytest.raises(InputError, match=mend) as caught:
        registry.champion()
    assert "\n" not in str(caught.value)


def test_refused_sign_in_is_one_line(registry: Registry, azure: Azure) -> None:
    """Who cannot sign in is told to."""
    refusal = {"error": "invalid_client", "error_description": "AADSTS: stub"}
    azure.intercept = lambda request: Answer(401, refusal) if request.path.endswith("/token") else None
    with pytest.raises(InputError, match="az login"):
        registry.champion()


def test_half_a_workspace_is_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace without its resource group is an error, not a registration in the project folder."""
    monkeypatch.delenv("AZURE_RESOURCE_GROUP")
    with pytest.raises(InputError, match="AZURE_RESOURCE_GROUP not set"):
        connect(NAME, Tracking())


@pytest.mark.parametrize(("name", "value"), [(JOB[0], "a-job"), (JOB[1], "azureml://stub")])
def test_job_has_no_registry(azure: Azure, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Inside a job there is no champion but the job's input, nothing is registered, and the service is not asked."""
    monkeypatch.setenv(name, value)
    registry = connect(NAME, Tracking())
    assert isinstance(registry, JobRegistry)
    assert registry.champion() is None
    with pytest.raises(InputError, match="where the job was submitted"):
        registry.register(Path("model"), "digest", "champion", {})
    assert azure.requests == []
