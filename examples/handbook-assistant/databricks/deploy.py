"""What the jobs do with versions of the model beyond the steps: spark_python_task of resources/*.yml.

A version is trusted for what its registration wrote on it: the gate passed, for this very model, against the champion
of that day. When another champion has come since, the comparison is void and the version is refused.
Exit codes as everywhere: 0 good, 1 refused, 2 wrong input or a problem of the service, with one line on standard error.
"""

from __future__ import annotations

import logging
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handbook_assistant.errors import GateError, InputError, PipelineError
from handbook_assistant.folders import read_json, writing
from handbook_assistant.local_registry import CHAMPION
from handbook_assistant.registry import UnityRegistry, client, explained
from handbook_assistant.settings import Tracking

if TYPE_CHECKING:
    from databricks.sdk.service.serving import ServedEntityInput, ServingEndpointDetailed
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

APPROVED = "approved"

app = typer.Typer(
    help="Check, approve and promote a version of the model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Approval(StrEnum):
    """Who makes a champion: a person through the deployment job, or the training at once."""

    REQUIRED = "required"
    NONE = "none"


class Serving(StrEnum):
    """The size of the endpoint; none for no endpoint."""

    NONE = "none"
    SMALL = "Small"
    MEDIUM = "Medium"
    LARGE = "Large"


Model = Annotated[str, typer.Option(help="Full name of the registered model: catalog.schema.model.")]
Version = Annotated[str, typer.Option(help="Number of the version.")]


@app.command()
def link(
    model: Model,
    job: Annotated[str, typer.Option(help="Id of the deployment job.")],
    approval: Annotated[Approval, typer.Option(help="Who makes a champion.")],
) -> None:
    """Let the deployment job start for each new version, or for none where no approval is asked for."""
    chosen = job if approval is Approval.REQUIRED else ""
    with registry(model) as models:
        if (models.get_registered_model(model).deployment_job_id or "") != chosen:
            models.update_registered_model(model, deployment_job_id=chosen)
    _say(f"new versions of {model} {f'start the deployment job {job}' if chosen else 'need no approval'}")


@app.command()
def evaluation(model: Model, version: Version) -> None:
    """Check that the gate let this very model pass, against the champion that still serves."""
    with registry(model) as models:
        checked(models, model, version)
    _say(f"version {version} of {model} passed its gate")


@app.command()
def approval(
    model: Model, version: Version, tag: Annotated[str, typer.Option(help="Key of the tag that approves.")]
) -> None:
    """Refuse a version that nobody has approved yet."""
    with registry(model) as models:
        answer = models.get_model_version(model, version).tags.get(tag, "")
    if answer.lower() != APPROVED:
        said = f"its tag {tag} is {answer!r}" if answer else f"it has no tag {tag}"
        raise GateError(f"version {version} of {model} is not approved ({said}): approve it on its page in the catalog")
    _say(f"version {version} of {model} is approved")


@app.command()
def promote(
    model: Model,
    version: Version,
    serving: Serving = Serving.NONE,
    endpoint: Annotated[str, typer.Option(help="Name of the endpoint.")] = "",
) -> None:
    """Serve a version and make it the champion.

    The endpoint comes first: it may fail, and then the champion of the batches should not be another one.
    """
    with registry(model) as models:
        checked(models, model, version)
        if serving is not Serving.NONE:
            _serve(endpoint, model, version, serving)
        models.set_registered_model_alias(model, CHAMPION, version)
    _say(f"version {version} of {model} is the {CHAMPION}")


@app.command()
def reference(
    model: Model, data: Annotated[Path, typer.Option(help="Folder to put the champion's prepared rows into.")]
) -> None:
    """Fetch the prepared rows that the champion was trained and tested on, for monitoring to compare with."""
    with registry(model) as models:
        found = champion(models, model)
    if found is None:
        raise InputError(f"{model} has no champion yet: run uv run poe platform-train first")
    source = _report(found).parent / data.name
    if not source.is_dir():
        raise InputError(f"{source}, the rows of version {found.version}, is gone: train again")
    with writing(data) as out:
        shutil.copytree(source, out, copy_function=shutil.copyfile, dirs_exist_ok=True)
    _say(f"rows of version {found.version} in {data}")


def checked(models: MlflowClient, model: str, version: str) -> ModelVersion:
    """A version whose gate passed and still holds.

    Raises:
        GateError: the version was registered past the gate, or its comparison is void.
        InputError: there is no such version, or its report is gone.
    """
    if not version:
        raise InputError("no version: start this job from a version's page, or give the parameter model_version")
    found = models.get_model_version(model, version)
    if found.tags.get("gate") != "passed":
        raise GateError(f"version {version} of {model} has no passed gate: register with pipeline register")
    decision = read_json(_report(found) / "gate.json")
    if not decision["passed"] or decision["model"]["digest"] != found.tags.get("digest"):
        raise GateError(f"the report of version {version} of {model} is about another model: train again")
    _still_holds(champion(models, model), found)
    return found


def _still_holds(serves: ModelVersion | None, found: ModelVersion) -> None:
    if serves is None or serves.version == found.version:
        return
    if serves.tags.get("digest") != found.tags.get("compared_with"):
        raise GateError(f"version {found.version} was compared before version {serves.version} served: train again")


def champion(models: MlflowClient, model: str) -> ModelVersion | None:
    """The version that serves, None before there is one."""
    holder = models.get_registered_model(model).aliases.get(CHAMPION)
    return models.get_model_version(model, holder) if holder else None


def _report(found: ModelVersion) -> Path:
    """Where the training that made a version put its report."""
    if "report" not in found.tags:
        raise InputError(f"version {found.version} does not say where its report is: register with pipeline register")
    return Path(found.tags["report"])


def _serve(endpoint: str, model: str, version: str, serving: Serving) -> None:
    """Create or change the endpoint and wait until it is ready. Nothing when it serves this version in this size."""
    from databricks.sdk.errors import NotFound, OperationFailed
    from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

    endpoints = client().serving_endpoints
    # Falls to zero when nobody asks, so an idle endpoint costs nothing, and the first answer after that is slow.
    entity = ServedEntityInput(
        name=CHAMPION,
        entity_name=model,
        entity_version=version,
        workload_size=serving.value,
        scale_to_zero_enabled=True,
    )
    try:
        found = endpoints.get(endpoint)
    except NotFound:
        found = None
    if found and _serves(found, entity):
        _say(f"endpoint {endpoint} serves version {version} already")
        return
    try:
        if found:
            endpoints.update_config_and_wait(endpoint, served_entities=[entity])
        else:
            config = EndpointCoreConfigInput(name=endpoint, served_entities=[entity])
            endpoints.create_and_wait(endpoint, config=config)
    except OperationFailed as error:
        raise InputError(f"endpoint {endpoint} did not get ready, look at its events and logs: {error}") from error
    _say(f"endpoint {endpoint} serves version {version}")


def _serves(found: ServingEndpointDetailed, wanted: ServedEntityInput) -> bool:
    """Whether an endpoint serves what is wanted and no change is on its way."""
    served = found.config.served_entities or [] if found.config else []
    same = [
        (entity.entity_name, entity.entity_version, entity.workload_size)
        == (wanted.entity_name, wanted.entity_version, wanted.workload_size)
        for entity in served
    ]
    return same == [True] and found.pending_config is None


@contextmanager
def registry(model: str) -> Iterator[MlflowClient]:
    """The registered model of Unity Catalog; what the service refuses becomes one line."""
    with explained():
        yield UnityRegistry(model, Tracking(uri="databricks")).mlflow


def _say(message: str) -> None:
    print(message, flush=True)


def main() -> None:
    """Run a command; return when all is well, since Databricks takes any SystemExit for a failure."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        app()
    except SystemExit as stop:
        if stop.code:
            raise
    except PipelineError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
