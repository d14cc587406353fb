"""What a registry must do, as cases over a small harness: each platform's test_registry.py runs them on its own.

`EVERY` case holds for each registry. `CLOUD` holds the faults of a service, by the requests that its clients really
send to a stand-in for it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import mlflow
import pytest

from handbook_assistant import models
from handbook_assistant.errors import InputError
from handbook_assistant.local_registry import LocalRegistry, Registry, Version
from handbook_assistant.settings import Tracking

NAME = "model-of-a-test"
# Seconds: what a client is told to wait, and after which a client that was told so gives a request up.
RETRY_AFTER = 2
TIMEOUT = 2
SIGNATURE = """\
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""


class Harness(Protocol):
    """A registry without models, and what its store holds."""

    registry: Registry

    def aliases(self) -> dict[str, set[str]]:
        """The aliases of each version that counts."""

    def tags(self, version: str) -> dict[str, str]:
        """The tags of a version."""

    def unfinished(self) -> int:
        """How many versions somebody began to register and nobody finished."""


class Service(Protocol):
    """A stand-in for a service, on this computer."""

    requests: list[Any]
    intercept: Callable[[Any], Any]
    lose: Callable[[Any], bool]

    def serve(self, request: Any) -> Any:
        """Do what is asked, and give the answer."""


class Cloud(Harness, Protocol):
    """A registry behind a service."""

    service: Any

    def begins(self, request: Any) -> bool:
        """Whether a request begins to register: what another process does before it, we have not seen."""

    def counts(self, request: Any) -> bool:
        """Whether it is this request by which the version counts."""

    def refusal(self, status: int, headers: dict[str, str]) -> Any:
        """An answer with this status, as the service gives it."""

    def elsewhere(self, digest: str) -> None:
        """Let somebody else register a model with this digest as a challenger."""


class LocalHarness:
    """The registry in the current folder."""

    def __init__(self) -> None:
        self.registry: Registry = LocalRegistry(NAME, Tracking())

    def aliases(self) -> dict[str, set[str]]:
        """See `Harness`."""
        client = mlflow.MlflowClient()
        listed = client.search_model_versions(f"name='{NAME}'")
        return {str(found.version): set(client.get_model_version(NAME, found.version).aliases) for found in listed}

    def tags(self, version: str) -> dict[str, str]:
        """See `Harness`."""
        return dict(mlflow.MlflowClient().get_model_version(NAME, version).tags)

    def unfinished(self) -> int:
        """None: a version is made with its files."""
        return 0


def a_store(folder: Path) -> Path:
    """A store in which no model is registered yet. It takes seconds to make, so tests get copies."""
    file = folder / "mlflow.db"
    LocalRegistry(NAME, Tracking(uri=f"sqlite:///{file.as_posix()}"))
    return file


def a_model(folder: Path, name: str) -> Path:
    """A folder with an MLmodel file and a file of weights, told apart by the name."""
    model = folder / "models" / name
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text(f"flavors:\n  python_function:\n    loader_module: none\n{SIGNATURE}")
    (model / "data" / "weights.bin").write_bytes(name.encode() * 100)
    return model


def add(harness: Harness, model: Path, alias: str) -> str:
    """Register a folder by its digest; its version."""
    return harness.registry.register(model, models.digest(model), alias, {"gate": "passed"}).version


def champion(harness: Harness) -> Version:
    """The champion that must be there."""
    found = harness.registry.champion()
    assert found is not None
    return found


def champions(harness: Harness) -> list[str]:
    """The versions that hold the champion's alias."""
    return sorted(version for version, aliases in harness.aliases().items() if "champion" in aliases)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name, without what a download adds."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != models.ADDED_BY_DOWNLOAD}


def first_registration(harness: Harness, folder: Path) -> None:
    """There is no champion at first, and that is no error; the first one is found with its digest."""
    assert harness.registry.champion() is None
    model = a_model(folder, "first")
    version = add(harness, model, "champion")
    assert harness.registry.champion() == Version(version, models.digest(model))
    assert harness.aliases() == {version: {"champion"}}


def challenger_is_no_champion(harness: Harness, folder: Path) -> None:
    """A model that only challenges does not serve."""
    add(harness, a_model(folder, "first"), "challenger")
    assert harness.registry.champion() is None


def same_model_twice(harness: Harness, folder: Path) -> None:
    """Registering the same model again gives the version it has, also after others came."""
    first, second = a_model(folder, "first"), a_model(folder, "second")
    version = add(harness, first, "challenger")
    assert add(harness, first, "challenger") == version
    other = add(harness, second, "challenger")
    assert add(harness, first, "challenger") == version
    assert set(harness.aliases()) == {version, other}


def told_again(harness: Harness, folder: Path) -> None:
    """A model that is registered again after a later evaluation tells what that one compared it with."""
    model = a_model(folder, "first")
    for compared in ("first model", "another digest"):
        told = {"gate": "passed", "compared_with": compared}
        version = harness.registry.register(model, models.digest(model), "challenger", told).version
        assert harness.tags(version).items() >= (told | {"digest": models.digest(model)}).items()
    assert list(harness.aliases()) == [version]


def promotion_and_back(harness: Harness, folder: Path) -> None:
    """A challenger becomes the champion, an older one becomes it again, and there is only one at a time."""
    first, second = a_model(folder, "first"), a_model(folder, "second")
    old = add(harness, first, "champion")
    new = add(harness, second, "challenger")
    assert champions(harness) == [old]
    assert add(harness, second, "champion") == new
    assert champions(harness) == [new]
    assert add(harness, first, "champion") == old
    assert champions(harness) == [old]
    assert champion(harness) == Version(old, models.digest(first))


def champion_is_not_demoted(harness: Harness, folder: Path) -> None:
    """The champion stays it when the same model is registered as a challenger."""
    model = a_model(folder, "first")
    version = add(harness, model, "champion")
    add(harness, model, "challenger")
    assert champions(harness) == [version]


def newest_champion_counts(harness: Harness, folder: Path) -> None:
    """Versions are numbers: the tenth is newer than the ninth, and the first is still found behind ten others."""
    made = [a_model(folder, f"model{number}") for number in range(1, 12)]
    versions = [add(harness, model, "champion") for model in made]
    assert versions == [str(number) for number in range(1, 12)]
    assert champion(harness) == Version("11", models.digest(made[-1]))
    assert add(harness, made[0], "challenger") == "1"


def download_equals_upload(harness: Harness, folder: Path) -> None:
    """What comes back is byte for byte what was registered, and of the version that was asked for."""
    first, second = a_model(folder, "first"), a_model(folder, "second")
    add(harness, first, "champion")
    serving = champion(harness)
    add(harness, second, "champion")
    target = folder / "download"
    target.mkdir()
    back = harness.registry.download(serving, target)
    assert contents(back) == contents(first)
    assert models.digest(back) == serving.digest


EVERY = [
    first_registration,
    challenger_is_no_champion,
    same_model_twice,
    told_again,
    promotion_and_back,
    champion_is_not_demoted,
    newest_champion_counts,
    download_equals_upload,
]


def once(cloud: Cloud, answer: Callable[[Any], Any]) -> list[Any]:
    """Answer the first request by which a version counts in another way; that request, when it came."""
    seen: list[Any] = []

    def intercept(request: Any) -> Any:
        if seen or not cloud.counts(request):
            return None
        seen.append(request)
        return answer(request)

    cloud.service.intercept = intercept
    return seen


def registered_once(cloud: Cloud, folder: Path) -> str:
    """Register a model as the champion and see that it is there, whole and once."""
    model = a_model(folder, "first")
    version = add(cloud, model, "champion")
    assert cloud.aliases() == {version: {"champion"}}
    assert cloud.unfinished() == 0
    assert champion(cloud) == Version(version, models.digest(model))
    return version


def sent(cloud: Cloud) -> list[Any]:
    """The requests by which a version counts, in order."""
    return [request for request in cloud.service.requests if cloud.counts(request)]


def lost_answer(cloud: Cloud, folder: Path) -> None:
    """When the service did it and said something else, the version is looked up."""

    def served_and_refused(request: Any) -> Any:
        cloud.service.serve(request)
        return cloud.refusal(400, {})

    seen = once(cloud, served_and_refused)
    registered_once(cloud, folder)
    assert seen


def dropped_connection(cloud: Cloud, folder: Path) -> None:
    """A connection that breaks after the request gives one version."""
    dropped: list[Any] = []

    def first_only(request: Any) -> bool:
        if dropped or not cloud.counts(request):
            return False
        dropped.append(request)
        return True

    cloud.service.lose = first_only
    registered_once(cloud, folder)
    assert dropped


def throttling(cloud: Cloud, folder: Path) -> None:
    """Who is told to come back later waits as long as it was told to, and then succeeds."""
    once(cloud, lambda _: cloud.refusal(429, {"Retry-After": str(RETRY_AFTER)}))
    registered_once(cloud, folder)
    refused, served = sent(cloud)
    assert served.at - refused.at >= RETRY_AFTER


def short_outage(cloud: Cloud, folder: Path) -> None:
    """A service that fails once is asked again."""
    once(cloud, lambda _: cloud.refusal(500, {}))
    registered_once(cloud, folder)
    assert len(sent(cloud)) == 2


def long_outage(cloud: Cloud, folder: Path) -> None:
    """A service that goes on failing gives one clear error and no half version; the next try finds a clean place."""
    model = a_model(folder, "other")
    cloud.service.intercept = lambda request: cloud.refusal(500, {}) if cloud.counts(request) else None
    with pytest.raises(InputError, match=r"run the command again|refused the request") as caught:
        add(cloud, model, "champion")
    assert "\n" not in str(caught.value)
    assert 2 <= len(sent(cloud)) <= 6
    assert cloud.aliases() == {}
    assert cloud.unfinished() == 0
    assert cloud.registry.champion() is None
    cloud.service.intercept = lambda _: None
    registered_once(cloud, folder)


def answer_too_late(cloud: Cloud, folder: Path) -> None:
    """A service that did it and answers when nobody listens any more gives one version."""

    def late(request: Any) -> Any:
        answer = cloud.service.serve(request)
        time.sleep(TIMEOUT + 1)
        return answer

    once(cloud, late)
    registered_once(cloud, folder)
    given_up, served = sent(cloud)
    # The service hears of a request a little after its client has begun to wait.
    assert served.at - given_up.at >= TIMEOUT / 2


def conflict_with_the_same_model(cloud: Cloud, folder: Path) -> None:
    """When another process registered this model a moment before, its version is the result, and the only one."""
    model = a_model(folder, "first")
    overtake(cloud, models.digest(model))
    assert add(cloud, model, "champion") == "1"
    assert list(cloud.aliases()) == ["1"]
    assert cloud.unfinished() == 0


def conflict_with_another_model(cloud: Cloud, folder: Path) -> None:
    """Another model that came a moment before stays as it is; ours is registered, at the latest at the next try."""
    model = a_model(folder, "first")
    overtake(cloud, "another digest")
    # A service that numbers the versions itself has no conflict.
    with suppress(InputError):
        add(cloud, model, "champion")
    assert cloud.aliases()["1"] == {"challenger"}
    version = add(cloud, model, "champion")
    assert cloud.aliases() == {"1": {"challenger"}, version: {"champion"}}
    assert champion(cloud).digest == models.digest(model)


def overtake(cloud: Cloud, digest: str) -> None:
    """Let somebody else register between our look and our registration."""

    def first(request: Any) -> None:
        if cloud.begins(request):
            cloud.service.intercept = lambda _: None
            cloud.elsewhere(digest)

    cloud.service.intercept = first


CLOUD = [
    lost_answer,
    dropped_connection,
    throttling,
    short_outage,
    long_outage,
    answer_too_late,
    conflict_with_the_same_model,
    conflict_with_another_model,
]

# Registers a model of both processes and one of its own, as soon as the other process is there too.
RACER = """
import sys, time
from pathlib import Path
from handbook_assistant.local_registry import LocalRegistry
from handbook_assistant.settings import Tracking
name, own, other, *digests = sys.argv[1:]
registry = LocalRegistry(name, Tracking())
Path(f"{own}.ready").touch()
while not Path(f"{other}.ready").exists():
    time.sleep(0.005)
for folder, digest in zip(["same", own], digests):
    registry.register(Path("models", folder), digest, "challenger", {})
"""


def two_processes(folder: Path) -> None:
    """Two processes that register at once, in one folder with a store, lose nothing and double nothing."""
    digests = {name: models.digest(a_model(folder, name)) for name in ("same", "left", "right")}
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, NAME, own, other, digests["same"], digests[own]],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        for own, other in (("left", "right"), ("right", "left"))
    ]
    said = [racer.communicate(timeout=120)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], said
    client = mlflow.MlflowClient(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    listed = client.search_model_versions(f"name='{NAME}'")
    assert sorted(found.tags["digest"] for found in listed) == sorted(digests.values())
