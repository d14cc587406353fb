"""Who may know what: the matter stays free of steps, tracking and platform, so that it can be read alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ticket_router

PACKAGE = Path(ticket_router.__path__[0])
# Modules that may import a library, or a part of this package. Everybody else may not.
MAY_IMPORT = {
    "azure": {"entra", "generate.language_model", "index.azure_search", "prelabel", "registry"},
    "databricks": {"generate.language_model", "index.databricks_search", "registry"},
    "mlflow": {"flavor", "judges", "local_registry", "registry", "traces", "tracking"},
    "pyspark": set(),
    "registry": {"serving", "steps.register"},
    "steps": {"cli"},
    # What only training needs is not there where a model serves.
    "torch": {
        "batches",
        "checkpoint",
        "export",
        "network",
        "pretrained",
        "processes",
        "throughput",
        "training",
        "transforms",
    },
}


def imported(source: str) -> set[str]:
    """The first part of each module that a source text imports; of relative imports the module in this package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} if node.module else {alias.name for alias in node.names}
    return {name.split(".")[0] for name in names}


def trespasses(module: str, source: str) -> set[str]:
    """What a module imports although it may not."""
    return {name for name, allowed in MAY_IMPORT.items() if name in imported(source) and module not in allowed}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_what_it_may(path: Path) -> None:
    """No module reaches over a boundary."""
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    assert trespasses(module, path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    "source", ["import mlflow", "from mlflow.entities import Run", "from .steps import run", "from . import registry"]
)
def test_a_trespass_is_found(source: str) -> None:
    """Each way to write an import is seen, also inside a function."""
    assert trespasses("features", f"def build():\n    {source}\n")
