"""The registry in the project folder, by the cases that every registry has to pass."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import registry_cases
from registry_cases import LocalHarness


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a registry without models."""
    return registry_cases.a_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def local(project: Path, store: Path) -> LocalHarness:
    """The registry in the current folder."""
    shutil.copy(store, project)
    return LocalHarness()


@pytest.mark.parametrize("case", registry_cases.EVERY, ids=lambda case: case.__name__)
def test_contract(case: Callable[[LocalHarness, Path], None], local: LocalHarness, project: Path) -> None:
    """The registry in the project folder holds what every registry must."""
    case(local, project)


# Starts two interpreters: it runs with the slow tests.
@pytest.mark.platform
def test_two_processes_share_a_registry(local: LocalHarness, project: Path) -> None:
    """Two processes that register at once lose nothing and double nothing."""
    registry_cases.two_processes(project)
