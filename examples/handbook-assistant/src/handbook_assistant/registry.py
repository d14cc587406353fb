"""The model registry: Unity Catalog's where a name has three parts, MLflow's in the project folder elsewhere.

Registering there takes three requests: a version is made, its files are sent, and it is declared ready. The clients
repeat a request whose answer was lost, so a version can be made twice, and any step can be the last one. What counts
is therefore only a version that is ready. Each carries the attempt it belongs to, and what an attempt leaves behind
besides the version that counts is removed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import mlflow
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException, RestException

from .errors import InputError
from .local_registry import CHAMPION, LocalRegistry, Registry, Version
from .settings import Tracking

if TYPE_CHECKING:
    # Takes a second to import, and nobody who works locally needs it.
    from databricks.sdk import WorkspaceClient

URI = "databricks-uc"
READY = "READY"
# Seconds for which a client tries again; theirs are five to ten minutes.
PATIENCE = 120
# Of MLflow's client; what the environment says already stays.
DEFAULTS = {
    # Files go through the workspace, not to the storage account. That needs no key of the storage, which Unity
    # Catalog is about to stop giving out, no library for it, and no way through its firewall.
    "MLFLOW_USE_DATABRICKS_SDK_MODEL_ARTIFACTS_REPO_FOR_UC": "true",
    "MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT": str(PATIENCE),
    # With the pauses between them, one minute; the next would take another.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
UNKNOWN_CALLER = ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
OVERLOADED = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED")


def connect(name: str, where: Tracking) -> Registry:
    """The registry for the models called `name`, which in Unity Catalog is catalog.schema.model."""
    return UnityRegistry(name, where) if name.count(".") == 2 else LocalRegistry(name, where)


def client() -> WorkspaceClient:
    """A client for the workspace of the job, or of DATABRICKS_HOST.

    Raises:
        InputError: there is no sign-in to use.
    """
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    try:
        return WorkspaceClient(config=Config(retry_timeout_seconds=PATIENCE))
    except ValueError as error:
        raise InputError(_unknown_caller(_short(error))) from error


@contextmanager
def explained() -> Iterator[None]:
    """Turn what Databricks refuses into one line with the mend.

    Raises:
        InputError: Databricks could not be reached, did not know the caller, or refused the request.
    """
    from databricks.sdk.errors.base import DatabricksError
    from requests import RequestException

    try:
        yield
    except (MlflowException, DatabricksError, TimeoutError, RequestException) as error:
        raise InputError(_sentence(error)) from error


class UnityRegistry:
    """Models of one name in Unity Catalog."""

    def __init__(self, name: str, where: Tracking) -> None:
        for variable, value in DEFAULTS.items():
            os.environ.setdefault(variable, value)
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        if where.uri:
            # Downloading asks for the tracking server too. The experiment is none of a registry's business.
            mlflow.set_tracking_uri(where.uri)
        self.name = name
        self.mlflow = mlflow.MlflowClient(tracking_uri="databricks", registry_uri=URI)

    def champion(self) -> Version | None:
        """See `Registry`."""
        with explained():
            holder = self._model().aliases.get(CHAMPION)
            return None if holder is None else _version(self._read(holder))

    def download(self, version: Version, folder: Path) -> Path:
        """See `Registry`."""
        source = f"models:/{self.name}/{version.version}"
        with explained():
            mlflow.artifacts.download_artifacts(source, dst_path=str(folder), registry_uri=URI)
        if not (folder / "MLmodel").is_file():
            raise InputError(f"{self.name} version {version.version} has no MLmodel file: register a model again")
        return folder

    def register(self, model: Path, digest: str, alias: str, tags: Mapping[str, str]) -> Version:
        """See `Registry`."""
        with explained():
            self._model()
            found = self._find(digest) or self._add(model, digest, tags)
            self._mark(found, tags)
            self.mlflow.set_registered_model_alias(self.name, alias, found.version)
        return found

    def _model(self) -> RegisteredModel:
        """The model, which the bundle makes.

        That it is absent is an error. What we may not read must not pass for a registry without a champion, as then
        the gate lets more through; and a model made here would be in the way of the bundle's. Its schema is asked for
        by our own client, which is less patient than MLflow's with an address where nobody answers.
        """
        client().schemas.get(self.name.rpartition(".")[0])
        return self.mlflow.get_registered_model(self.name)

    def _listed(self) -> list[ModelVersion]:
        """All versions, newest first. What is listed comes without its tags."""
        found: list[ModelVersion] = []
        token: str | None = None
        while True:
            page = self.mlflow.search_model_versions(f"name='{self.name}'", page_token=token)
            found += page
            token = page.token
            if not token:
                return sorted(found, key=lambda listed: int(listed.version), reverse=True)

    def _read(self, version: str) -> ModelVersion:
        return self.mlflow.get_model_version(self.name, version)

    def _find(self, digest: str) -> Version | None:
        """The version with this digest. Newest first: what is registered twice is mostly the newest."""
        ready = (_version(self._read(listed.version)) for listed in self._listed() if listed.status == READY)
        return next((version for version in ready if version.digest == digest), None)

    def _add(self, model: Path, digest: str, tags: Mapping[str, str]) -> Version:
        """Make a version, and look again: also when that failed, as the last answer may have been lost."""
        known = {listed.version for listed in self._listed()}
        marks = {**tags, "digest": digest, "attempt": uuid4().hex}
        try:
            made = self.mlflow.create_model_version(self.name, str(model), tags=marks)
        except Exception:
            found = self._settle(known, marks)
            if found is None:
                raise
            return found
        return self._settle(known, marks) or _version(made)

    def _mark(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags, without a request for those that are there."""
        there = self._read(version.version).tags
        for name, value in tags.items():
            if there.get(name) != value:
                self.mlflow.set_model_version_tag(self.name, version.version, name, value)

    def _settle(self, known: set[str], marks: Mapping[str, str]) -> Version | None:
        """The first ready version of this model among the new ones; the rest of this attempt is removed."""
        new = [self._read(listed.version) for listed in reversed(self._listed()) if listed.version not in known]
        same = [version for version in new if version.status == READY and version.tags.get("digest") == marks["digest"]]
        for version in new:
            if version.tags.get("attempt") == marks["attempt"] and version not in same[:1]:
                # One that is not ready does no harm, and one that is, is the same model.
                with suppress(MlflowException, TimeoutError):
                    self.mlflow.delete_model_version(self.name, version.version)
        return _version(same[0]) if same else None


def _version(found: ModelVersion) -> Version:
    return Version(str(found.version), found.tags.get("digest", ""))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _unknown_caller(said: str) -> str:
    return f"Databricks does not know who you are: run az login, and look at DATABRICKS_HOST ({said})"


def _sentence(error: Exception) -> str:
    """What went wrong in one line, and what to do about it."""
    from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated
    from databricks.sdk.errors.base import DatabricksError

    said = _short(error)
    code = getattr(error, "error_code", None)
    if isinstance(error, Unauthenticated) or code in UNKNOWN_CALLER:
        return _unknown_caller(said)
    if isinstance(error, NotFound) or code in NOT_THERE:
        return f"not found in Databricks: look at the catalog and the schema, and deploy the bundle first ({said})"
    if isinstance(error, PermissionDenied) or code == "PERMISSION_DENIED":
        return f"Databricks refused: grant this identity what docs/platform.md lists on the schema ({said})"
    if isinstance(error, RestException | DatabricksError) and code in OVERLOADED:
        return f"Databricks could not serve the request: run the command again later ({said})"
    if isinstance(error, OSError) and code is None:
        return f"Databricks could not be reached: look at DATABRICKS_HOST and the network, then try again ({said})"
    return f"Databricks refused the request: {said}"
