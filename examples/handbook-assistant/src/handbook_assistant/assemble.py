"""From settings to the parts of a chain. What a service needs is imported only where that service is chosen.

A model's folder holds how it answers, and no address: where the services are, the environment says that it runs in,
so that one model goes from dev to prod as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from . import NAME
from .chain import Chain, Generator, Guards, Prices
from .errors import InputError
from .generate import prompts
from .generate.extractive import Extractive
from .guard import Guard, injection, personal_data
from .index.base import Index
from .index.sqlite import SqliteIndex
from .parameters import Train

CONFIGURATION = "chain.json"
PROMPT = "prompt.md"
# Paths on the machine that trains.
OF_TRAINING = {"state", "prompt"}
# How much of a question a passage must hold, when no question has said.
RELEVANT = 0.35


def write(folder: Path, settings: Train, relevance_at_least: float) -> None:
    """Write what `read` needs beside an index: settings and prompt.

    Raises:
        InputError: there is no prompt, or one that is broken.
    """
    kept = settings.model_dump(mode="json", exclude=OF_TRAINING)
    content = {"relevance_at_least": relevance_at_least, "settings": kept}
    (folder / CONFIGURATION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if settings.generator != "extractive":
        prompts.read(settings.prompt)
        (folder / PROMPT).write_bytes(settings.prompt.read_bytes())


def read(folder: Path) -> Chain:
    """The chain that a folder describes.

    Raises:
        InputError: the folder is damaged, or the environment does not say where a service is.
    """
    try:
        content = json.loads((folder / CONFIGURATION).read_text(encoding="utf-8"))
        settings = Train.model_validate(content["settings"])
        relevance = float(content["relevance_at_least"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputError(f"{folder / CONFIGURATION} is damaged ({type(error).__name__}): train again") from error
    return chain(settings, index(settings, folder), folder / PROMPT, relevance)


def chain(settings: Train, found_in: Index, prompt: Path, relevance_at_least: float = RELEVANT) -> Chain:
    """A chain from its settings.

    Args:
        settings: how it answers.
        found_in: where it searches.
        prompt: what a language model is told; read only where there is one.
        relevance_at_least: abstain when no passage is as relevant.
    """
    return Chain(
        found_in,
        _generator(settings, prompt, relevance_at_least),
        _guards(settings),
        passages=settings.passages,
        prices=Prices(settings.price_in, settings.price_out),
        judge=settings.judge,
    )


def cost(settings: Train) -> int:
    """What a kind of chain costs to serve: a quotation nothing, a search service or a language model each one more."""
    return (settings.generator != "extractive") + (settings.index != "sqlite")


def index(settings: Train, folder: Path) -> Index:
    """Where chunks are found: the file in a folder, or a service.

    Raises:
        InputError: there is no such file, or the environment does not say where the service is.
    """
    return INDEXES[settings.index](settings, folder)


def _sqlite(_: Train, folder: Path) -> Index:
    return SqliteIndex(folder)


def _azure_search(settings: Train, _: Path) -> Index:
    from .index.azure_search import AzureSearchIndex

    endpoint = settings.search_endpoint or _from_environment("AZURE_SEARCH_ENDPOINT", "train.search_endpoint")
    return AzureSearchIndex(endpoint, _index_name(settings).replace("_", "-"), _embedder(settings), settings.rerank)


def _databricks_search(settings: Train, _: Path) -> Index:
    from .index.databricks_search import DatabricksSearchIndex

    if settings.index_name is None or settings.index_name.count(".") != 2:
        raise InputError("an index in Databricks needs a name of three parts: set train.index_name=catalog.schema.name")
    return DatabricksSearchIndex(
        settings.search_endpoint or NAME, settings.index_name, _embedder(settings), settings.rerank
    )


INDEXES: dict[str, Callable[[Train, Path], Index]] = {
    "sqlite": _sqlite,
    "azure_search": _azure_search,
    "databricks_search": _databricks_search,
}


def _index_name(settings: Train) -> str:
    return settings.index_name or NAME


def _embedder(settings: Train) -> Any:
    from .embed import OpenAIEmbedder

    if settings.embedding is None:
        raise InputError("an index in the cloud needs vectors: set train.embedding to the name of an embedding model")
    kind = settings.generator if settings.generator != "extractive" else SERVICES[settings.index]
    return OpenAIEmbedder(_client(kind, settings), settings.embedding, settings.dimension)


# Who makes the vectors where no language model writes the answers.
SERVICES = {"azure_search": "azure", "databricks_search": "databricks"}


def _generator(settings: Train, prompt: Path, relevance_at_least: float) -> Generator:
    if settings.generator == "extractive":
        return Extractive(relevance_at_least)
    from .generate.language_model import LanguageModel

    if settings.model is None:
        raise InputError(f"train.generator is {settings.generator}: set train.model to the name of a model there")
    limit = "max_tokens" if settings.generator == "databricks" else "max_completion_tokens"
    client = _client(settings.generator, settings)
    return LanguageModel(client, settings.model, prompts.read(prompt), relevance_at_least, limit)


def _client(kind: str, settings: Train) -> Any:
    from .generate import language_model as service

    if kind == "databricks":
        return service.databricks()
    if kind == "azure":
        name = "AZURE_OPENAI_ENDPOINT"
        return service.azure(settings.model_endpoint or _from_environment(name, "train.model_endpoint"))
    address = settings.model_endpoint or _from_environment("OPENAI_BASE_URL", "train.model_endpoint")
    return service.client(address, service.key("OPENAI_API_KEY"))


def _guards(settings: Train) -> Guards:
    question: tuple[Guard, ...] = (personal_data, injection.QUESTIONS)
    passage: tuple[Guard, ...] = (injection.DOCUMENTS,)
    if not settings.content_safety:
        return Guards(question, passage, (), settings.grounded_at_least)
    from .generate.language_model import entra_token
    from .guard.content_safety import Harm, PromptShield, Service

    name = "AZURE_CONTENT_SAFETY_ENDPOINT"
    service = Service(settings.safety_endpoint or _from_environment(name, "train.safety_endpoint"), entra_token())
    harm = Harm(service)
    return Guards(
        (*question, PromptShield(service, "question"), harm),
        (*passage, PromptShield(service, "document")),
        (harm,),
        settings.grounded_at_least,
    )


def _from_environment(name: str, setting: str) -> str:
    found = os.environ.get(name, "").strip()
    if not found:
        raise InputError(f"the address of a service is missing: set the environment variable {name}, or {setting}")
    return found
