"""The Databricks index, by the real client against a service on this computer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import index_cases as cases
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.clock import Clock
from databricks.sdk.config import Config
from databricks_search_service import IDENTITY, ISSUED, TOKEN, DatabricksSearchService
from index_cases import ALL, CANARY, DRIFT, ROTA, SALARY, WordVectors, chunk
from loopback import Answer

from handbook_assistant.embed import passage
from handbook_assistant.errors import InputError
from handbook_assistant.index.base import Index
from handbook_assistant.index.cloud import safe_key
from handbook_assistant.index.databricks_search import DatabricksSearchIndex

NAME = "main.rag.chunks"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DatabricksSearchService]:
    """A workspace without endpoint and index, and no settings for another one."""
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("HOST", "TOKEN", "CLIENT_ID", "CLIENT_SECRET", "AUTH_TYPE", "CONFIG_PROFILE"):
        monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
    with DatabricksSearchService() as running:
        yield running


class Hasty(Clock):
    """A clock whose owner need not wait: it goes on by as much as it is asked to sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def connected(service: DatabricksSearchService, rerank: bool = False, dimension: int = 64) -> DatabricksSearchIndex:
    """An index of the service."""
    client = WorkspaceClient(config=Config(host=service.address, token=TOKEN, clock=Hasty()))
    return DatabricksSearchIndex("rag", NAME, WordVectors(dimension), rerank, client)


@pytest.mark.parametrize("rerank", [False, True], ids=["no reranker", "reranker"])
@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.__name__)
def test_contract(case: Callable[[Index], None], rerank: bool, service: DatabricksSearchService) -> None:
    """It does what every index does, with and without the reranker."""
    case(connected(service, rerank))


def test_endpoint_and_index_are_made_once(service: DatabricksSearchService) -> None:
    """The first delta makes both and waits until the index is ready; the next one finds them."""
    service.delay = 3
    index = connected(service)
    index.apply([CANARY], [])
    index.apply([DRIFT], [])
    made = [request.path for request in service.requests if request.method == "POST"]
    assert made.count("/api/2.0/vector-search/endpoints") == made.count("/api/2.0/vector-search/indexes") == 1
    spec = service.indexes[NAME]["direct_access_index_spec"]
    assert spec["embedding_vector_columns"] == [{"embedding_dimension": 64, "name": "vector"}]
    assert set(index.digests()) == {CANARY.id, DRIFT.id}


def test_the_filter_is_in_every_query(service: DatabricksSearchService) -> None:
    """The service itself leaves out what is for others, and no name of a group is part of a filter."""
    index = connected(service, rerank=True)
    index.apply(ALL, [])
    index.search("who is paid", ["o'brien", "finance"], 3)
    hybrid, nearest = (request.body for request in service.requests if request.path.endswith("/query"))
    for sent in (hybrid, nearest):
        assert json.loads(sent["filters_json"]) == {"reader": [safe_key("o'brien"), safe_key("finance")]}
    assert (hybrid["query_type"], hybrid["query_text"], nearest["query_type"]) == ("HYBRID", "who is paid", "ANN")
    assert hybrid["reranker"]["parameters"] == {"columns_to_rerank": ["title", "heading", "text"]}
    assert "reranker" not in nearest


def test_a_passage_for_others_is_an_error(service: DatabricksSearchService) -> None:
    """A service that forgets the filter is caught, and no hit of its answer is used."""
    index = connected(service)
    index.apply(ALL, [])
    service.filtering = False
    with pytest.raises(InputError, match=r"gave a passage of \S+ to groups without access; "):
        index.search(SALARY.text, ["everyone"], 3)


def test_relevance_is_the_cosine(service: DatabricksSearchService) -> None:
    """It says how near question and chunk are, whatever else is found."""
    index = connected(service)
    index.apply(ALL, [])
    question = "Which share of the traffic goes to a canary?"
    hit = index.search(question, ["everyone"], 1)[0]
    asked, known = WordVectors()([question, passage(CANARY)])
    assert hit.chunk == CANARY
    assert hit.relevance == pytest.approx(float(asked @ known), abs=1e-5)


def test_who_loses_access_loses_it_first(service: DatabricksSearchService) -> None:
    """When rows fail, the group that no longer reads a chunk is already gone, and the next delta mends the chunk."""
    index = connected(service)
    index.apply(ALL, [])
    narrowed = chunk(ROTA.id, ROTA.text, ("operations", "night"))
    service.broken = {safe_key(f"{ROTA.id}\n{safe_key('night')}")}
    with pytest.raises(InputError, match=r"^1 rows were not written to .*; run the same step again"):
        index.apply([narrowed], [])
    assert ROTA.id not in cases.ids(index.search(ROTA.text, ["finance"], 9))
    assert index.digests()[ROTA.id] == ""
    service.broken = set()
    index.apply([narrowed], [])
    assert index.digests()[ROTA.id] == narrowed.digest
    assert cases.ids(index.search(ROTA.text, ["night"], 9)) == [ROTA.id]


def test_nobody_may_see_a_chunk_without_a_group(service: DatabricksSearchService) -> None:
    """It is refused, and nothing is sent."""
    index = connected(service)
    before = len(service.requests)
    with pytest.raises(InputError, match="it has no group; give its document one"):
        index.apply([CANARY, chunk("x.md#1", "For nobody.", ())], [])
    assert len(service.requests) == before


def test_all_digests_come(service: DatabricksSearchService) -> None:
    """More rows than one answer holds are written and deleted in batches and read back whole."""
    index = connected(service, dimension=2)
    chunks = [chunk(f"many.md#{number}", "Many.", ("a", "b")) for number in range(1_234)]
    index.apply(chunks, [])
    assert index.digests() == {each.id: each.digest for each in chunks}
    index.apply([], [each.id for each in chunks[5:]])
    assert set(index.digests()) == {each.id for each in chunks[:5]}


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(status: int, service: DatabricksSearchService) -> None:
    """What the service puts off is done when it said to come back."""
    index = connected(service)
    index.apply([CANARY], [])
    service.instead.append(Answer({"error_code": "BUSY", "message": "later"}, status, {"Retry-After": "20"}))
    assert cases.ids(index.search(CANARY.text, ["everyone"], 1)) == [CANARY.id]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer({"error_code": "UNAUTHENTICATED", "message": "token\nexpired"}, 401), "token expired; sign in again"),
        (Answer({"error_code": "PERMISSION_DENIED", "message": "no"}, 403), "no; grant the identity the index"),
        (Answer({"error_code": "BAD_REQUEST", "message": "no column"}, 400), "no column; if the settings have changed"),
        (
            Answer({"error_code": "BUSY", "message": "later"}, 429, {"Retry-After": "400"}),
            "later; check address",
        ),
        (Answer(b'{"manifest": {"col'), "its answer makes no sense; check the address"),
        (Answer(b"<html>welcome</html>", 200, {"Content-Type": "text/html"}), "its answer makes no sense; "),
        (Answer({"result": {"row_count": 1}}), "its answer makes no sense; check the address"),
        (Answer({"manifest": {"columns": [{"name": "id"}]}, "result": {"data_array": [["x"]]}}), "makes no sense"),
    ],
)
def test_a_bad_answer_is_one_line(answer: Answer, words: str, service: DatabricksSearchService) -> None:
    """An expired token, a missing grant, half an answer: one line that says what to do."""
    index = connected(service)
    index.apply(ALL, [])
    service.instead.append(answer)
    with pytest.raises(InputError) as raised:
        index.search("canary", ["everyone"], 3)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_index_and_another_index_are_one_line(service: DatabricksSearchService) -> None:
    """To search before the first delta, and vectors of another length, say what to do."""
    with pytest.raises(InputError, match=rf"there is no index {NAME} on the endpoint rag; ingest documents first"):
        connected(service).search("canary", ["everyone"], 3)
    connected(service).apply([CANARY], [])
    with pytest.raises(InputError, match=r"does not hold vectors of 32 numbers; delete it and ingest anew"):
        connected(service, dimension=32).apply([SALARY], [])
    assert set(connected(service).digests()) == {CANARY.id}


def test_an_identity_is_enough(service: DatabricksSearchService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workload shows its identity and gets a token for it; no key is anywhere in the settings."""
    settings = {"HOST": service.address, "AUTH_TYPE": "env-oidc", "CLIENT_ID": "the-pipeline", "OIDC_TOKEN": IDENTITY}
    for name, value in settings.items():
        monkeypatch.setenv(f"DATABRICKS_{name}", value)
    index = DatabricksSearchIndex("rag", NAME, WordVectors())
    index.apply([CANARY], [])
    assert set(index.digests()) == {CANARY.id}
    assert service.requests[-1].headers["authorization"] == f"Bearer {ISSUED}"


def test_no_identity_is_one_line(service: DatabricksSearchService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings, and with an identity that the workspace does not know, the line says to sign in."""
    index = DatabricksSearchIndex("rag", NAME, WordVectors())
    with pytest.raises(InputError, match=r"^cannot sign in to Databricks: .*; set DATABRICKS_HOST and sign in$"):
        index.search("canary", ["everyone"], 3)
    settings = {"HOST": service.address, "AUTH_TYPE": "env-oidc", "CLIENT_ID": "the-pipeline", "OIDC_TOKEN": "another"}
    for name, value in settings.items():
        monkeypatch.setenv(f"DATABRICKS_{name}", value)
    with pytest.raises(InputError, match="sign in"):
        DatabricksSearchIndex("rag", NAME, WordVectors()).search("canary", ["everyone"], 3)
