"""Add a model to the registry, but only the one that passed, against the champion that still serves.

The report is checked again here, by digests: a model changed after its evaluation, or a champion that was
replaced meanwhile (or was never compared with), means that the gate's answer is about something else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import models
from ..errors import GateError
from ..folders import read_json
from ..local_registry import Registry
from ..progress import say, stage
from ..registry import connect
from ..settings import Settings


def register(model: Path, report: Path, settings: Settings) -> None:
    """Register the model in a folder under the alias of the settings.

    Raises:
        GateError: the gate refused, or its answer is about another model or another champion.
        InputError: there is no model or no report.
    """
    decision = read_json(report / "gate.json")
    digest = models.digest(model)
    registry = connect(settings.model_name(), settings.tracking)
    _check(decision, digest, registry)
    with stage("register"):
        version = registry.register(model, digest, settings.registry.alias, _tags(decision, report))
    say(f"register: {settings.model_name()} version {version.version} is {settings.registry.alias}")


def _check(decision: dict[str, Any], digest: str, registry: Registry) -> None:
    if not decision["passed"]:
        raise GateError(f"the gate refused this model: {'; '.join(decision['reasons'])}")
    if decision["model"]["digest"] != digest:
        raise GateError("the report is about another model: run `pipeline evaluate` again")
    compared = decision["champion"] and decision["champion"]["digest"]
    current = registry.champion()
    # Registering a model twice is harmless, also once it has become the champion itself.
    if current and current.digest != digest and current.digest != compared:
        raise GateError(f"{_told(compared)}; version {current.version} serves now: run `pipeline evaluate` again")


def _told(compared: str | None) -> str:
    return "the report compares with an older champion" if compared else "the report compares with no champion"


def _tags(decision: dict[str, Any], report: Path) -> dict[str, str]:
    champion = decision["champion"]
    compared = champion["digest"] if champion else "first model"
    return {"gate": "passed", "compared_with": compared, "report": str(report)}
