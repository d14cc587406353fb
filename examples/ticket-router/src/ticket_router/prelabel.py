"""Let a language model propose labels for new texts, once it has been shown to agree with people.

`python -m <package>.prelabel --source new.csv --labels proposed/labels.csv --holdout labelled.csv`. The model is first
asked about rows that people have labelled. Below a kappa of `--kappa-at-least` it labels nothing. What it proposes is
marked `labelled_by = model`, which `pipeline prepare` sets aside: a row is neither trained on nor tested with before a
person has looked at it.

Any service with OpenAI's interface will do. No key is stored or printed: the environment has it, or, where
AZURE_OPENAI_ENDPOINT is set, whoever is signed in gets a token.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa
import typer
from rich.progress import track

from . import agreement, rows, schema
from .errors import GateError, InputError, PipelineError
from .folders import read_json, write_json
from .progress import console, say

# Of a holdout: fewer rows say too little.
FEWEST = 50
# Rows that are asked about before what is known is written down.
BATCH = 20
RETRIES = 5
TIMEOUT_S = 60
AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"
INSTALL = "uv sync --extra llm"

TEXTS = schema.INPUTS.remove_columns([schema.TARGET]).add_columns({schema.GROUP: pa.Column(str, required=False)})
LABELLED = schema.INPUTS.add_columns({schema.LABELLED_BY: schema.ROWS.columns[schema.LABELLED_BY]})
# The service holds the model to this; what comes is checked all the same.
ANSWER: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "label",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {schema.TARGET: {"type": "string", "enum": [*schema.CLASSES, "unclear"]}},
            "required": [schema.TARGET],
            "additionalProperties": False,
        },
    },
}

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Labeller:
    """A model behind a service, with the words it is asked in."""

    client: Any
    model: str
    prompt: str
    concurrency: int

    @property
    def version(self) -> str:
        """Of the prompt: the start of its SHA-256."""
        return hashlib.sha256(self.prompt.encode()).hexdigest()[:12]

    def label(self, text: str) -> str | None:
        """The label of one text; None when there is no usable answer.

        Raises:
            InputError: the service refuses, after the client's own retries.
        """
        from openai import BadRequestError, OpenAIError

        messages = [{"role": "system", "content": self.prompt}, {"role": "user", "content": text}]
        try:
            answer = self.client.chat.completions.create(model=self.model, messages=messages, response_format=ANSWER)
        except OpenAIError as error:
            if isinstance(error, BadRequestError) and error.code == "content_filter":
                return None
            mend = "check OPENAI_BASE_URL or AZURE_OPENAI_ENDPOINT, --model, and your rights"
            raise InputError(f"the service refused: {error}; {mend}") from error
        return label_in(answer.choices[0].message.content if answer.choices else None)

    def labels(self, texts: Sequence[str], title: str) -> Iterator[list[str | None]]:
        """The labels of n texts, in batches, several texts at once."""
        starts = range(0, len(texts), BATCH)
        with ThreadPoolExecutor(self.concurrency) as pool:
            for start in track(starts, title, console=console, transient=True):
                yield list(pool.map(self.label, texts[start : start + BATCH]))


def label_in(content: str | None) -> str | None:
    """The label in an answer, when the answer is what was asked for and the label is one of ours."""
    try:
        label = json.loads(content or "")[schema.TARGET]
    except (KeyError, TypeError, ValueError):
        return None
    return label if label in schema.CLASSES else None


def connect() -> Any:
    """A client for the service that the environment names.

    Raises:
        InputError: a library is missing, or there is neither a key nor somebody signed in.
    """
    try:
        import openai
    except ModuleNotFoundError as error:
        raise InputError(f"the library openai is not installed: {INSTALL}") from error
    options = {"max_retries": RETRIES, "timeout": TIMEOUT_S}
    if endpoint := os.environ.get("AZURE_OPENAI_ENDPOINT"):
        return openai.OpenAI(base_url=f"{endpoint.rstrip('/')}/openai/v1/", api_key=_token_provider(), **options)
    if not os.environ.get("OPENAI_API_KEY"):
        raise InputError("no service to ask: set AZURE_OPENAI_ENDPOINT, or OPENAI_API_KEY (and OPENAI_BASE_URL)")
    return openai.OpenAI(**options)


def _token_provider() -> Any:
    """What gives the client a token for each request; asked once here, to find out whether somebody is signed in."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    provider = get_bearer_token_provider(DefaultAzureCredential(), AZURE_SCOPE)
    try:
        provider()
    except ClientAuthenticationError as error:
        raise InputError("nobody is signed in to Azure: az login, or run where an identity is assigned") from error
    return provider


@app.command()
def prelabel(
    source: Annotated[Path, typer.Option("--source", help="New texts: a .csv or .parquet file, or a folder of them.")],
    labels: Annotated[Path, typer.Option("--labels", help="The .csv file for the proposals. It is gone on with.")],
    holdout: Annotated[
        Path | None,
        typer.Option("--holdout", help="Texts labelled by people. [default: what agreement.json beside --labels says]"),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="On Azure, the deployment's name.")] = "gpt-5-mini",
    prompt: Annotated[Path, typer.Option("--prompt", help="What the model is told.")] = Path("prompts/prelabel.md"),
    kappa_at_least: Annotated[
        float, typer.Option("--kappa-at-least", min=0, max=1, help="Agreement that is needed to go on.")
    ] = 0.8,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=64, help="Texts asked about at once.")] = 4,
) -> None:
    """Propose labels for new texts, if the model agrees with people.

    Exit code 1 when it does not; agreement.md beside the labels says where.
    """
    if labels.suffix != ".csv":
        raise InputError(f"{labels} must be a .csv file, which can be gone on with")
    texts = _read(source, TEXTS)
    labeller = Labeller(connect(), model, _prompt(prompt), concurrency)
    _folder(labels.parent)
    if holdout is not None:
        measure(labeller, _read(holdout, LABELLED).dropna(subset=[schema.TARGET]), labels.parent, kappa_at_least)
    require(labeller, labels.parent, kappa_at_least)
    propose(labeller, texts, labels)


def measure(labeller: Labeller, labelled: pd.DataFrame, folder: Path, at_least: float) -> None:
    """Compare the model with people on n labelled rows, and write agreement.json and agreement.md.

    Raises:
        InputError: there are too few rows or labels to tell.
    """
    if len(labelled) < FEWEST or labelled[schema.TARGET].nunique() < 2:
        raise InputError(f"the holdout has {len(labelled)} labelled rows: give at least {FEWEST}, of several labels")
    proposed = [label for batch in labeller.labels(list(labelled["text"]), "holdout") for label in batch]
    found = agreement.compare(list(labelled[schema.TARGET]), proposed)
    write_json(folder / "agreement.json", {"model": labeller.model, "prompt": labeller.version, **asdict(found)})
    text = agreement.markdown(found, labeller.model, labeller.version, at_least)
    (folder / "agreement.md").write_text(text, encoding="utf-8")


def require(labeller: Labeller, folder: Path, at_least: float) -> None:
    """Go on only with a model and a prompt that were measured, and that agree with people.

    Raises:
        GateError: they agree too little.
        InputError: they were never measured together.
    """
    file = folder / "agreement.json"
    found = read_json(file) if file.is_file() else {}
    if (found.get("model"), found.get("prompt")) != (labeller.model, labeller.version):
        raise InputError(f"{labeller.model} was not measured with this prompt: give --holdout texts labelled by people")
    if found["kappa"] < at_least:
        kappa, between = f"{found['kappa']:.3f}", f"{found['lower']:.3f} to {found['upper']:.3f}"
        raise GateError(
            f"{labeller.model} agrees too little with people: kappa {kappa} (95 % interval {between}), {at_least:g} "
            f"needed; nothing was labelled (report: {folder / 'agreement.md'})"
        )


def propose(labeller: Labeller, texts: pd.DataFrame, labels: Path) -> None:
    """Append the proposals for those of n texts that the file does not have yet. No usable answer is an empty label."""
    known = _proposed(labels)
    asked = texts[~texts[schema.ID].isin(known)].reset_index(drop=True)
    if schema.GROUP not in asked:
        asked = asked.assign(**{schema.GROUP: asked[schema.ID]})
    done, found = 0, 0
    for batch in labeller.labels(list(asked["text"]), "prelabel"):
        part = asked.iloc[done : done + len(batch)].copy()
        part[schema.TARGET] = batch
        part = part.assign(model=labeller.model, prompt=labeller.version, **{schema.LABELLED_BY: "model"})
        part.to_csv(labels, mode="a", index=False, header=not labels.exists())
        done, found = done + len(batch), found + sum(label is not None for label in batch)
    say(f"prelabel: {found} labels proposed, {done - found} without a usable answer, {len(known)} known, in {labels}")


def _proposed(labels: Path) -> set[str]:
    """The ids in the file. A last line that was cut off is taken out, to be asked about again."""
    if not labels.exists():
        return set()
    table = rows.read(labels)
    if missing := {schema.ID, schema.LABELLED_BY} - set(table.columns):
        raise InputError(f"{labels} holds no proposals (no {' and no '.join(sorted(missing))}): give another --labels")
    whole = table[table[schema.LABELLED_BY].notna()]
    if len(whole) < len(table):
        whole.to_csv(labels, index=False)
    return set(whole[schema.ID])


def _read(source: Path, wanted: pa.DataFrameSchema) -> pd.DataFrame:
    checked = rows.check(rows.read(source), wanted)
    if checked.good.empty:
        raise InputError(f"no row of {source} can be used: {checked.rejected[rows.REASON].iloc[0]}")
    if len(checked.rejected):
        say(f"{source}: {len(checked.rejected)} rows set aside, most often: {checked.rejected[rows.REASON].mode()[0]}")
    return checked.good


def _prompt(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the prompt {file}: give --prompt a text file") from error
    if unknown := [name for name in schema.CLASSES if name not in text]:
        raise InputError(f"the prompt {file} does not explain {', '.join(unknown)}: say when each label fits")
    return text


def _folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose another --labels") from error


def main() -> None:
    """Run the command. A problem that the user can mend is one line on standard error, not a traceback."""
    try:
        app()
    except PipelineError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
