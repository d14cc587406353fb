"""A chain from its settings: which parts, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from loopback import Answer, Request, Service

from handbook_assistant import assemble
from handbook_assistant.chain import Chain
from handbook_assistant.errors import InputError
from handbook_assistant.generate.language_model import LanguageModel
from handbook_assistant.guard.content_safety import Harm, PromptShield
from handbook_assistant.index.azure_search import AzureSearchIndex
from handbook_assistant.index.base import Hit, Index
from handbook_assistant.index.databricks_search import DatabricksSearchIndex
from handbook_assistant.parameters import Train

NAMES = ("AZURE_SEARCH_ENDPOINT", "AZURE_OPENAI_ENDPOINT", "AZURE_CONTENT_SAFETY_ENDPOINT", "OPENAI_BASE_URL")
PROMPT = Path(__file__).parents[1] / "prompts/answer.md"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that knows no service."""
    for name in (*NAMES, "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


MISSING: dict[str, tuple[dict[str, object], str]] = {
    "address of the search": ({"index": "azure_search", "embedding": "small"}, "AZURE_SEARCH_ENDPOINT"),
    "address of the model": ({"generator": "azure", "model": "chat"}, "AZURE_OPENAI_ENDPOINT"),
    "address of any model": ({"generator": "openai", "model": "chat"}, "OPENAI_BASE_URL"),
    "address of content safety": ({"content_safety": True}, "AZURE_CONTENT_SAFETY_ENDPOINT"),
    "the model": ({"generator": "openai"}, "train.model"),
    "an embedding": ({"index": "azure_search", "search_endpoint": "https://s.search.windows.net"}, "train.embedding"),
    "a full name": ({"index": "databricks_search", "index_name": "docs", "embedding": "e"}, "catalog.schema.name"),
}


def assembled(settings: Train, folder: Path) -> Chain:
    """A chain that searches where the settings say, or nowhere."""
    found: Index = assemble.index(settings, folder) if settings.index != "sqlite" else Nothing()
    return assemble.chain(settings, found, PROMPT)


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_named(name: str, tmp_path: Path) -> None:
    """The message holds the setting or the variable to set."""
    values, words = MISSING[name]
    settings = Train.model_validate({"model_endpoint": None, **values})
    with pytest.raises(InputError, match=words):
        assembled(settings, tmp_path)


class Nothing:
    """An index without chunks."""

    def digests(self) -> dict[str, str]:
        return {}

    def apply(self, upserts: object, deletes: object) -> None:
        """Nothing stays."""

    def search(self, question: str, groups: Sequence[str], k: int) -> list[Hit]:  # noqa: ARG002
        return []


def test_services_are_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One model's settings, with the addresses of where it runs, give clients of those services."""
    for name in NAMES:
        monkeypatch.setenv(name, "https://somewhere.example.com")
    settings = Train(
        index="azure_search", embedding="small", generator="azure", model="chat", content_safety=True, passages=3
    )
    found = assemble.chain(settings, assemble.index(settings, tmp_path), PROMPT)
    assert isinstance(found.index, AzureSearchIndex)
    assert isinstance(found.generator, LanguageModel)
    assert [type(guard) for guard in found.guards.question[2:]] == [PromptShield, Harm]
    assert assemble.cost(settings) == 2


class Workspace(Service):
    """A workspace that tells nothing about itself."""

    def answer(self, request: Request) -> Answer:  # noqa: ARG002
        return Answer({"error_code": "NOT_FOUND"}, 404)


def test_databricks_needs_no_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The workspace is the one that the SDK signs in to."""
    monkeypatch.setenv("DATABRICKS_TOKEN", "a-token")
    settings = Train(index="databricks_search", index_name="a.b.c", embedding="e", generator="databricks", model="chat")
    with Workspace() as workspace:
        monkeypatch.setenv("DATABRICKS_HOST", workspace.address)
        found = assemble.chain(settings, assemble.index(settings, tmp_path), PROMPT)
    assert isinstance(found.index, DatabricksSearchIndex)
    assert isinstance(found.generator, LanguageModel)


def test_nothing_of_a_service_is_imported_without_it(tmp_path: Path) -> None:
    """The default costs nothing, and needs no index to be described."""
    found = assemble.chain(Train(), Nothing(), tmp_path / "no prompt")
    assert found.generator.cost == assemble.cost(Train()) == 0
