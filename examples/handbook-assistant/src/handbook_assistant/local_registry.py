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
from .settings import Tracking

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
        """Add the model in a folder and give it the alias. A version that has this digest already gets the new tags."""


class LocalRegistry:
    """MLflow's registry in the tracking store."""

    def __init__(self, name: str, where: Tracking) -> None:
        tracking.connect(where)
        self.name = name
        self.where = where
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
        for key, value in tags.items():
            self.client.set_model_version_tag(self.name, found.version, key, value)
        self.client.set_registered_model_alias(self.name, alias, found.version)
        return found

    def _find(self, digest: str) -> Version | None:
        """The oldest version with this digest."""
        found = self.client.search_model_versions(f"name='{self.name}' and tags.digest='{digest}'")
        return min(map(_version, found), key=lambda version: int(version.version), default=None)

    def _add(self, model: Path, digest: str, tags: Mapping[str, str]) -> Version:
        """Make a version, unless another process that registers the same model was a little faster."""
        with tracking.run("register", {}, self.where) as run_id:
            mlflow.log_artifacts(str(model), "model")
            source = mlflow.get_artifact_uri("model")
        self._create()
        made = self.client.create_model_version(self.name, source, run_id, {**tags, "digest": digest})
        first = self._find(digest) or _version(made)
        if first.version != str(made.version):
            self.client.delete_model_version(self.name, made.version)
        return first

    def _create(self) -> None:
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _version(found: ModelVersion) -> Version:
    return Version(str(found.version), found.tags.get("digest", ""))
