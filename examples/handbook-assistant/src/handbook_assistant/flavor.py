"""How a chain is saved, loaded and asked, in MLflow's format.

The folder holds an index file with its vectoriser, or the name of an index in the cloud, the prompt, and settings;
nothing is pickled. `python -m <package>.flavor MODEL INPUTS OUTPUTS` answers from file to file, for a model that must
run with the code it was trained with.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import mlflow
import pandas as pd
from mlflow.models import infer_signature

from . import NAME, assemble, schema
from .chain import Asked, Chain
from .guard import groundedness

Model: TypeAlias = Chain

FOLDER = "chain"
DATA = f"data/{FOLDER}"
# What loading a model needs, with the versions of the environment that trains; and what it needs where services are
# asked.
REQUIREMENTS = (
    "mlflow",
    "numpy",
    "pandas",
    "pandera",
    "pydantic",
    "pyyaml",
    "scikit-learn",
    "scipy",
    "skops",
    "threadpoolctl",
)
SERVICES = ("azure-identity", "azure-search-documents", "databricks-sdk", "httpx", "openai")
COLUMNS = {
    "prediction": str,
    "answer": str,
    "reason": str,
    "citations": str,
    "found": str,
    "relevance": float,
    "groundedness": float,
    "tokens": int,
    "cost": float,
    "model": str,
    "prompt": str,
}


def save(content: Path, folder: Path, example: pd.DataFrame, cost: int) -> None:
    """Write a chain with its signature, an input example and this package's code.

    Args:
        content: folder with what `assemble.read` reads.
        folder: where the model folder's files go; it exists and is empty.
        example: a few rows of inputs.
        cost: of serving it, see `assemble.cost`.
    """
    predicted = predict(assemble.read(content), example)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        target = Path(scratch, "model")
        mlflow.pyfunc.save_model(
            str(target),
            loader_module=f"{NAME}.flavor",
            data_path=str(content),
            code_paths=[str(Path(__file__).parent)],
            signature=infer_signature(example, predicted),
            input_example=example,
            # Named, because finding them out would load the model in another process.
            pip_requirements=[f"{name}=={version(name)}" for name in _required(cost)],
            metadata={"cost": cost},
        )
        for entry in target.iterdir():
            entry.replace(folder / entry.name)


def _required(cost: int) -> list[str]:
    return [*REQUIREMENTS, *(name for name in SERVICES if cost and _is_installed(name))]


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True


def load(folder: Path) -> Model:
    """Load a model with the code of this process."""
    return assemble.read(folder / DATA)


def predict(model: Model, inputs: pd.DataFrame) -> pd.DataFrame:
    """Answer n questions, each for the groups beside it.

    Returns:
        n rows with the index of `inputs`; columns and types are the same for every n, 0 too:
        prediction (answered, abstained or refused), answer, reason; citations and found as JSON (see below);
        relevance of the best passage, groundedness (share of the answer's words that its citations hold), tokens and
        cost of the answer, model, and the SHA-256 of the prompt.

        A citation has document, heading, quote, and `valid`: whether it is of a passage that was found, that the
        asker may see, and that holds the quote. `found` lists the documents of the passages that were found, best
        first, each once.
    """
    questions = zip(inputs[schema.QUESTION], inputs[schema.GROUPS], strict=True)
    records = [_record(model, question, schema.names(groups)) for question, groups in questions]
    return pd.DataFrame(records, inputs.index, list(COLUMNS)).astype(COLUMNS)


def _record(model: Model, question: str, groups: list[str]) -> dict[str, Any]:
    asked = model.ask(question, groups)
    answer = asked.answer
    quotes = [citation.quote for citation in answer.citations]
    return {
        "prediction": answer.outcome,
        "answer": answer.text,
        "reason": answer.reason,
        "citations": json.dumps(_citations(asked, groups)),
        "found": json.dumps(list(dict.fromkeys(hit.chunk.document for hit in asked.found))),
        "relevance": max((hit.relevance for hit in asked.found), default=0.0),
        "groundedness": groundedness.share(answer.text, quotes) if quotes else float("nan"),
        "tokens": answer.tokens_in + answer.tokens_out,
        "cost": model.prices.of(answer),
        "model": answer.model,
        "prompt": answer.prompt,
    }


def _citations(asked: Asked, groups: list[str]) -> list[dict[str, Any]]:
    seen = {hit.chunk.id: hit.chunk.text for hit in asked.found if not set(hit.chunk.groups).isdisjoint(groups)}
    return [
        {
            "document": citation.document,
            "heading": citation.heading,
            "quote": citation.quote,
            "valid": citation.quote in seen.get(citation.chunk, ""),
        }
        for citation in asked.answer.citations
    ]


class _Served:
    """What MLflow asks: `mlflow models serve` and `mlflow.pyfunc.load_model`."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, inputs: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        return predict(self.model, inputs)


def _load_pyfunc(path: str) -> _Served:
    """MLflow's way in, with the path of `DATA`."""
    return _Served(assemble.read(Path(path)))


if __name__ == "__main__":
    model_folder, inputs, outputs = sys.argv[1:]
    predict(load(Path(model_folder)), pd.read_parquet(inputs)).to_parquet(outputs)
