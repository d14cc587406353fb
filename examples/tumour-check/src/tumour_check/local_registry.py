"""What a registry must do, and the one that needs no cloud: MLflow's, in the project folder.

Versions are found by the digest of their folder, so that registering a model twice, after a lost answer for
instance, gives one version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from . import tracking

CHAMPION = "champion"


@dataclass(frozen=True)
class Version:
    """A registered model: its number in the registry and the digest of its folder."""

    version: str
    digest: str


class Registry(Protocol):
    """Where versions of one model are kept."""

    def champion(self) -> Version | None:
        """The version that serves, or None before the first one."""

    def download(self, version: Version, folder: Path) -> Path:
        """Copy a version below `folder`, which is empty, and return the folder with its MLmodel file."""

    def register(self, model: Path, digest: str, alias: str, tags: Mapping[str, str]) -> Version:
        """Add the model in a folder, unless a version has this digest already, and give it the alias."""


class LocalRegistry:
    """MLflow's registry in the tracking store."""

    def __init__(self, name: str) -> None:
        tracking.connect()
        self.name = name
        self.client = mlflow.MlflowClient()

    def champion(self) -> Version | None:
        """See `Registry`."""
        try:
            return _version(self.client.get_model_version_by_alias(self.name, CHAMPION))
        except MlflowException as error:
            # The store says INVALID_PARAMETER_VALUE where the model exists and the alias does not.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def download(self, version: Version, folder: Path) -> Path:
        """See `Registry`."""
        source = f"models:/{self.name}/{version.version}"
        return Path(mlflow.artifacts.download_artifacts(source, dst_path=str(folder)))

    def register(self, model: Path, digest: str, alias: str, tags: Mapping[str, str]) -> Version:
        """See `Registry`."""
        found = self._find(digest) or self._add(model, digest, tags)
        self.client.set_registered_model_alias(self.name, alias, found.version)
        return found

    def _find(self, digest: str) -> Version | None:
        versions = (_version(found) for found in self.client.search_model_versions(f"name='{self.name}'"))
        return next((version for version in versions if version.digest == digest), None)

    def _add(self, model: Path, digest: str, tags: Mapping[str, str]) -> Version:
        with tracking.run("register", {}) as run_id:
            mlflow.log_artifacts(str(model), "model")
            source = mlflow.get_artifact_uri("model")
        self._create()
        return _version(self.client.create_model_version(self.name, source, run_id, {**tags, "digest": digest}))

    def _create(self) -> None:
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _version(found: ModelVersion) -> Version:
    return Version(str(found.version), found.tags.get("digest", ""))
