"""The registry of the workspace, with Azure's own client against a stand-in for the service (azure_stub.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import azure_stub
import pytest
from azure_stub import Answer, Azure, Request

from tumour_check import models
from tumour_check.errors import InputError
from tumour_check.local_registry import LocalRegistry, Registry
from tumour_check.registry import AzureRegistry, JobRegistry, connect

pytestmark = [
    pytest.mark.platform,
    # Of the libraries that azure-ai-ml is made of.
    pytest.mark.filterwarnings("ignore:::marshmallow"),
    pytest.mark.filterwarnings("ignore:::azure"),
]

NAME = "model-of-a-test"
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


@pytest.fixture
def registry(azure: Azure) -> Registry:
    """The registry that a process with these variables gets."""
    return connect(NAME)


def a_model(tmp_path: Path, name: str) -> Path:
    """A folder with an MLmodel file and a file of weights, told apart by the name."""
    folder = tmp_path / name
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "weights.bin").write_bytes(name.encode() * 100)
    return folder


def add(registry: Registry, folder: Path, alias: str) -> str:
    """Register a folder by its digest; its version."""
    return registry.register(folder, models.digest(folder), alias, {"gate": "passed"}).version


def aliases(azure: Azure) -> dict[str, str]:
    """The alias of each version, as the service holds it."""
    return {key: body["properties"]["tags"]["alias"] for key, body in azure.versions("models", NAME).items()}


def test_workspace_has_no_champion_at_first(registry: Registry) -> None:
    """Before the first registration there is no champion, and that is no error."""
    assert isinstance(registry, AzureRegistry)
    assert registry.champion() is None


def test_champion_comes_back_as_it_was(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """A registered champion is found with its digest and tags, and downloads to the same bytes."""
    folder = a_model(tmp_path, "first")
    add(registry, folder, "champion")

    champion = registry.champion()
    assert champion is not None
    assert champion.digest == models.digest(folder)
    assert models.digest(registry.download(champion, tmp_path / "download")) == champion.digest
    properties = azure.versions("models", NAME)["1"]["properties"]
    assert properties["modelType"] == "mlflow_model"
    assert properties["tags"] == {"gate": "passed", "digest": champion.digest, "alias": "champion"}


def test_registering_twice_gives_one_version(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """The same model is uploaded and registered once."""
    folder = a_model(tmp_path, "first")
    assert add(registry, folder, "challenger") == add(registry, folder, "challenger") == "1"
    assert list(azure.versions("models", NAME)) == ["1"]


def test_promotion_moves_the_tag(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """A challenger becomes the champion, an older one can become it again, and there is only one."""
    first, second = a_model(tmp_path, "first"), a_model(tmp_path, "second")
    add(registry, first, "champion")
    add(registry, second, "challenger")
    assert aliases(azure) == {"1": "champion", "2": "challenger"}
    add(registry, second, "champion")
    assert aliases(azure) == {"1": "former", "2": "champion"}
    add(registry, first, "champion")
    assert aliases(azure) == {"1": "champion", "2": "former"}


def test_champion_is_not_demoted_by_registering_it_again(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """The champion stays it when the same model is registered as a challenger."""
    folder = a_model(tmp_path, "first")
    add(registry, folder, "champion")
    add(registry, folder, "challenger")
    assert aliases(azure) == {"1": "champion"}


def test_newest_of_two_champions_counts(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """When a promotion stopped half-way, the newer version is the champion; versions are numbers, 10 is after 9."""
    for number in range(1, 11):
        add(registry, a_model(tmp_path, f"model{number}"), "challenger")
    for version, body in azure.versions("models", NAME).items():
        body["properties"]["tags"]["alias"] = "champion" if version in ("9", "10") else "former"
    champion = registry.champion()
    assert champion is not None
    assert champion.version == "10"


def test_lost_answer_is_looked_up(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """When the service registered the model and its answer never came, that version is the result."""
    folder = a_model(tmp_path, "first")

    def refuse_after_storing(request: Request) -> Answer | None:
        if request.method != "PUT" or "/models/" not in request.path or azure.versions("models", NAME):
            return None
        azure.intercept = lambda _: None
        azure.answer(request)
        return Answer(400, {"error": {"code": "Timeout", "message": "the answer was lost"}})

    azure.intercept = refuse_after_storing
    assert add(registry, folder, "champion") == "1"
    assert aliases(azure) == {"1": "champion"}


def test_dropped_connection_is_tried_again(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """A connection that breaks after the request gives one version, by the client's own retry."""
    folder = a_model(tmp_path, "first")
    lost: list[Request] = []

    def lose_first(request: Request) -> bool:
        if request.method == "PUT" and "/models/" in request.path and not lost:
            lost.append(request)
            return True
        return False

    azure.lose = lose_first
    assert add(registry, folder, "champion") == "1"
    assert len(lost) == 1
    assert aliases(azure) == {"1": "champion"}


def test_conflict_with_the_same_model_is_looked_up(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """When another process registered this model a moment before, its version is the result."""
    folder = a_model(tmp_path, "first")
    with_another_path(azure, models.digest(folder))
    assert add(registry, folder, "challenger") == "1"


def test_conflict_with_another_model_is_one_line(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """When another model took the version meanwhile, the user is told, and nothing of it changes."""
    folder = a_model(tmp_path, "first")
    with_another_path(azure, "another digest")
    with pytest.raises(InputError, match=r"Azure refused the request: .*another path"):
        add(registry, folder, "champion")
    assert aliases(azure) == {"1": "challenger"}


def with_another_path(azure: Azure, digest: str) -> None:
    """Let another process take the version between our look and our registration."""

    def overtake(request: Request) -> None:
        if request.method != "PUT" or "/models/" not in request.path:
            return
        azure.intercept = lambda _: None
        tags = {"digest": digest, "alias": "challenger"}
        properties = {"modelUri": "azureml://elsewhere/paths/other", "modelType": "mlflow_model", "tags": tags}
        azure.resources[request.path] = {
            "id": request.path,
            "name": "1",
            "properties": {**properties, "flavors": {}},
        }

    azure.intercept = overtake


@pytest.mark.parametrize(
    ("status", "said", "mend"),
    [
        (403, "no permission", "AzureML Data Scientist"),
        (404, "no such workspace", "AZURE_ML_WORKSPACE"),
        (400, "bad\nrequest", "bad request"),
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


def test_version_without_model_is_one_line(registry: Registry, azure: Azure, tmp_path: Path) -> None:
    """A version whose files are gone is an error that says what to do."""
    add(registry, a_model(tmp_path, "first"), "champion")
    azure.blobs = {name: blob for name, blob in azure.blobs.items() if not name.endswith("MLmodel")}
    champion = registry.champion()
    assert champion is not None
    with pytest.raises(InputError, match="no MLmodel file"):
        registry.download(champion, tmp_path / "download")


def test_without_workspace_the_registry_is_local(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AZURE_ML_WORKSPACE, or with an empty one, models are registered in the project folder."""
    for value in (None, ""):
        monkeypatch.delenv("AZUREML_RUN_ID", raising=False)
        monkeypatch.delenv("AZURE_ML_WORKSPACE", raising=False)
        if value is not None:
            monkeypatch.setenv("AZURE_ML_WORKSPACE", value)
        assert isinstance(connect(NAME), LocalRegistry)


def test_half_a_workspace_is_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace without its resource group is an error, not a registration in the project folder."""
    monkeypatch.delenv("AZURE_RESOURCE_GROUP")
    with pytest.raises(InputError, match="AZURE_RESOURCE_GROUP not set"):
        connect(NAME)


@pytest.mark.parametrize(("name", "value"), [(JOB[0], "a-job"), (JOB[1], "azureml://stub")])
def test_job_has_no_registry(azure: Azure, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Inside a job there is no champion but the job's input, nothing is registered, and the service is not asked."""
    monkeypatch.setenv(name, value)
    registry = connect(NAME)
    assert isinstance(registry, JobRegistry)
    assert registry.champion() is None
    with pytest.raises(InputError, match="where the job was submitted"):
        registry.register(Path("model"), "digest", "champion", {})
    assert azure.requests == []
