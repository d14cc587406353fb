"""The model registry: that of the Azure ML workspace where one is named, MLflow's in the project folder elsewhere.

A job on Azure ML has no registry at all. It gets the champion as an input from who submits it, so it needs no
right to look into the workspace, and the model that the gate compared with is written in the job.

Azure ML knows tags and no aliases. The champion is the newest version whose tag `alias` says so; promotion sets
the tag before it takes it from the others, so that at no moment there is no champion.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .local_registry import CHAMPION, LocalRegistry, Registry, Version
from .settings import Tracking

if TYPE_CHECKING:
    # Azure's client takes a second or two to import, and nobody who works locally needs it.
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model

WORKSPACE = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE")
# Azure's client would give a failing service five seconds, and wait five minutes for an answer: both turned round.
PATIENCE: dict[str, Any] = {"retry_status": 5, "retry_backoff_max": 30, "connection_timeout": 30, "read_timeout": 60}
OVERLOADED = (408, 429, 500, 502, 503, 504)
# A tag can be overwritten, but whether an absent one is taken away is up to the service.
FORMER = "former"


def connect(name: str, where: Tracking) -> Registry:
    """The registry for the models called `name`.

    Raises:
        InputError: a workspace is named without its subscription or resource group.
    """
    if _inside_job():
        return JobRegistry()
    if os.environ.get("AZURE_ML_WORKSPACE"):
        return AzureRegistry(client(), name)
    return LocalRegistry(name, where)


def client() -> MLClient:
    """A client for the workspace that the environment variables name; it signs in at the first call.

    Raises:
        InputError: one of the variables is not set.
    """
    missing = [name for name in WORKSPACE if not os.environ.get(name)]
    if missing:
        raise InputError(f"{', '.join(missing)} not set: say which Azure ML workspace to use, see docs/platform.md")
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    subscription, group, workspace = (os.environ[name] for name in WORKSPACE)
    return MLClient(DefaultAzureCredential(), subscription, group, workspace, enable_telemetry=False, **PATIENCE)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what Azure refuses into one line with the mend.

    Raises:
        InputError: Azure could not be reached, did not know the caller, or refused the request.
    """
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError

    try:
        yield
    except (AzureError, MlException) as error:
        raise InputError(_sentence(error)) from error


class JobRegistry:
    """Inside a job: no champion but the one that the job was given, and nothing to register."""

    def champion(self) -> Version | None:
        """None: the job was given no champion, so there is none yet."""
        return None

    def download(self, version: Version, folder: Path) -> Path:  # noqa: ARG002 - the protocol's names
        """Refused: the job's inputs hold what it may read."""
        raise InputError(f"a job cannot fetch version {version.version}: give the model as an input of the job")

    def register(self, model: Path, digest: str, alias: str, tags: Mapping[str, str]) -> Version:  # noqa: ARG002 - the protocol's names
        """Refused: who submitted the job registers its model."""
        raise InputError(f"a job cannot register {model}: run pipeline register where the job was submitted")


class AzureRegistry:
    """Models of one name in an Azure ML workspace."""

    def __init__(self, workspace: MLClient, name: str) -> None:
        self.workspace = workspace
        self.name = name

    def champion(self) -> Version | None:
        """See `Registry`."""
        with explained():
            holders = [found for found in self._versions() if _tag(found, "alias") == CHAMPION]
        return _version(holders[0]) if holders else None

    def download(self, version: Version, folder: Path) -> Path:
        """See `Registry`."""
        with explained():
            self.workspace.models.download(self.name, version.version, download_path=folder)
        found = sorted(folder.rglob("MLmodel"))
        if not found:
            raise InputError(f"{self.name} version {version.version} has no MLmodel file: register a model again")
        return found[0].parent

    def register(self, model: Path, digest: str, alias: str, tags: Mapping[str, str]) -> Version:
        """See `Registry`."""
        with explained():
            found = self._find(digest) or self._add(model, digest, alias, tags)
            self._mark(found, tags)
            self._give(found, alias)
        return _version(found)

    def _versions(self) -> list[Model]:
        """All versions, newest first.

        The service answers 404 both for a model without versions and for a workspace that is not there. The
        second must not pass for the first: a gate without a champion lets more through.
        """
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return sorted(self.workspace.models.list(self.name), key=_age, reverse=True)
        except ResourceNotFoundError:
            self.workspace.workspaces.get(self.workspace.workspace_name)
            return []

    def _find(self, digest: str) -> Model | None:
        return next((found for found in self._versions() if _tag(found, "digest") == digest), None)

    def _add(self, model: Path, digest: str, alias: str, tags: Mapping[str, str]) -> Model:
        """Upload and register, and look again when that failed: the answer may have been lost on its way back,
        or someone else registered the same model at the same time.
        """
        from azure.ai.ml.entities import Model
        from azure.ai.ml.exceptions import MlException
        from azure.core.exceptions import AzureError

        # The alias comes with the version, so that a model is never there without one.
        marked = {**tags, "digest": digest, "alias": alias}
        try:
            made: Model = self.workspace.models.create_or_update(
                Model(name=self.name, path=str(model), type="mlflow_model", tags=marked)
            )
        except (AzureError, MlException):
            found = self._find(digest)
            if found is None:
                raise
            return found
        return made

    def _give(self, chosen: Model, alias: str) -> None:
        """Set the tag, then take it from the others. The champion stays it when the same model challenges."""
        if _tag(chosen, "alias") not in (alias, CHAMPION):
            self._mark(chosen, {"alias": alias})
        if _tag(chosen, "alias") != alias:
            return
        for other in self._versions():
            if other.version != chosen.version and _tag(other, "alias") == alias:
                self._mark(other, {"alias": FORMER})

    def _mark(self, model: Model, tags: Mapping[str, str]) -> None:
        """Set tags, without a request when they are there."""
        if any(_tag(model, name) != value for name, value in tags.items()):
            model.tags = {**(model.tags or {}), **tags}
            self.workspace.models.create_or_update(model)


def _inside_job() -> bool:
    return "AZUREML_RUN_ID" in os.environ or os.environ.get("MLFLOW_TRACKING_URI", "").startswith("azureml:")


def _age(model: Model) -> tuple[int, str]:
    """Versions that we register are numbers; one that somebody named in words counts as older than all."""
    version = str(model.version)
    return (int(version), version) if version.isdigit() else (-1, version)


def _tag(model: Model, name: str) -> str:
    return str((model.tags or {}).get(name, ""))


def _version(model: Model) -> Version:
    return Version(str(model.version), _tag(model, "digest"))


def _sentence(error: Any) -> str:
    """What went wrong in one line, and what to do about it."""
    from azure.core.exceptions import (
        ClientAuthenticationError,
        HttpResponseError,
        ResourceNotFoundError,
        ServiceRequestError,
        ServiceResponseError,
    )

    said = " ".join(str(getattr(error, "message", error)).split())[:300]
    if isinstance(error, ClientAuthenticationError):
        return f"Azure does not know who you are: run az login, or look at the job's sign-in step ({said})"
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return f"Azure could not be reached: look at the network, then run the command again ({said})"
    if isinstance(error, ResourceNotFoundError):
        return f"not found in Azure: look at {', '.join(WORKSPACE)} ({said})"
    if isinstance(error, HttpResponseError) and error.status_code == 403:
        return f"Azure refused: give this identity the role AzureML Data Scientist on the workspace ({said})"
    if isinstance(error, HttpResponseError) and error.status_code in OVERLOADED:
        return f"Azure could not serve the request: run the command again later ({said})"
    return f"Azure refused the request: {said}"
