"""A project in Databricks from documents to the gate: real clients, and a workspace on this computer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import obedient
import pytest
from conftest import Pipeline
from databricks_search_service import TOKEN, DatabricksSearchService
from index_cases import WordVectors
from loopback import Answer, Request
from model_service import completion

ASKED = [
    "--set",
    "train.generator=databricks train.model=tiny train.index=databricks_search train.index_name=main.rag.chunks "
    "train.embedding=small train.dimension=64 train.price_in=2 train.price_out=8",
]


class Workspace(DatabricksSearchService):
    """A workspace with AI Search and two serving endpoints, one that embeds and one that answers."""

    def answer(self, request: Request) -> Answer:
        if not request.path.startswith("/serving-endpoints/"):
            return super().answer(request)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer({"error_code": "UNAUTHENTICATED"}, 401)
        if request.path.endswith("/embeddings"):
            rows = WordVectors(64)(request.body["input"])
            data = [
                {"object": "embedding", "index": place, "embedding": row.tolist()} for place, row in enumerate(rows)
            ]
            return Answer({"object": "list", "model": "small", "data": data, "usage": {}})
        return completion(obedient.reply(request.body["messages"]))


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workspace]:
    """The workspace that the environment names."""
    for name in ("CLIENT_ID", "CLIENT_SECRET", "AUTH_TYPE", "CONFIG_PROFILE"):
        monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    with Workspace() as running:
        monkeypatch.setenv("DATABRICKS_HOST", running.address)
        yield running


def test_the_pipeline_runs_on_services(trained: Path, workspace: Workspace, pipeline: Pipeline) -> None:
    """The same commands fill an index there, ask a model there, measure tokens and cost, and touch nothing twice."""
    done = pipeline("train", *ASKED)
    assert done.code == 0, done
    count = len(workspace.rows["main.rag.chunks"])
    assert count > 400
    pipeline("evaluate", *ASKED)
    metrics = json.loads((trained / "outputs/report/metrics.json").read_text())
    assert metrics["recall_at_5"] > 0.8
    assert metrics["access_leaks"] == 0
    assert metrics["citation_validity"] == 1
    assert metrics["tokens_per_answer"] > 50
    assert metrics["cost_per_answer"] > 0
    assert "0 new, 0 changed, 0 gone" in pipeline("train", *ASKED).out
    assert len(workspace.rows["main.rag.chunks"]) == count


def test_a_workspace_that_leaks_is_found_out(trained: Path, workspace: Workspace, pipeline: Pipeline) -> None:
    """When the service forgets the filter, nothing is answered at all, and one line says whose fault it is."""
    assert pipeline("train", *ASKED).code == 0
    workspace.filtering = False
    pipeline("evaluate", *ASKED).refused(2, "groups without access")
