"""The Azure index, by the real client against a service on this computer.

The client sends tokens by https only, so the tests give a dummy key; the application gives none, see `_credential`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import index_cases as cases
import pytest
from azure.core.credentials import AzureKeyCredential
from hypothesis import given, settings
from hypothesis import strategies as st
from index_cases import ALL, CANARY, SALARY, WordVectors, chunk
from loopback import Answer
from search_service import KEY, SearchService, parsed

from handbook_assistant.embed import passage
from handbook_assistant.errors import InputError
from handbook_assistant.index.azure_search import AzureSearchIndex, access_filter
from handbook_assistant.index.base import Index
from handbook_assistant.index.cloud import safe_key


@pytest.fixture
def service() -> Iterator[SearchService]:
    """A search service without an index."""
    with SearchService() as running:
        yield running


def connected(service: SearchService, semantic: bool = True, dimension: int = 64) -> AzureSearchIndex:
    """An index of the service."""
    credential = AzureKeyCredential(KEY)
    return AzureSearchIndex(service.address, "chunks", WordVectors(dimension), semantic, credential)


@pytest.mark.parametrize("semantic", [True, False], ids=["ranker", "no ranker"])
@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.__name__)
def test_contract(case: Callable[[Index], None], semantic: bool, service: SearchService) -> None:
    """It does what every index does, with and without the ranker."""
    case(connected(service, semantic))


def test_the_definition_says_what_fields_are_for(service: SearchService) -> None:
    """Groups can be filtered, the vector can't be read back, the ranker knows title and text."""
    connected(service).apply([CANARY], [])
    defined = service.indexes["chunks"]
    fields = {field["name"]: field for field in defined["fields"]}
    assert [name for name, field in fields.items() if field.get("key")] == ["key"]
    assert (fields["groups"]["type"], fields["groups"]["filterable"]) == ("Collection(Edm.String)", True)
    assert not fields["groups"]["searchable"]
    assert (fields["vector"]["dimensions"], fields["vector"]["retrievable"]) == (64, False)
    assert defined["vectorSearch"]["algorithms"][0]["kind"] == "hnsw"
    assert defined["vectorSearch"]["algorithms"][0]["hnswParameters"]["metric"] == "cosine"
    assert defined["semantic"]["configurations"][0]["prioritizedFields"]["titleField"] == {"fieldName": "title"}


def test_the_filter_is_in_the_query(service: SearchService) -> None:
    """The service itself leaves out what is for others, before it looks for the nearest."""
    index = connected(service)
    index.apply(ALL, [])
    index.search("who's paid", ["o'brien", "finance"], 3)
    sent = service.requests[-1].body
    assert sent["filter"] == "groups/any(g: search.in(g, 'o''brien|finance', '|'))"
    assert sent["vectorFilterMode"] == "preFilter"
    assert (sent["search"], sent["semanticQuery"], sent["queryType"]) == ("who s paid", "who's paid", "semantic")


def test_relevance_says_how_well_a_passage_fits(service: SearchService) -> None:
    """With the ranker it is the share of its best score, without it the cosine of question and passage."""
    index = connected(service)
    index.apply(ALL, [])
    question = "Which share of the traffic goes to a canary?"
    ranked = index.search(question, ["everyone"], 1)[0]
    assert (ranked.chunk, ranked.relevance) == (CANARY, ranked.score / 4)
    near = connected(service, semantic=False).search(question, ["everyone"], 1)[0]
    asked, known = WordVectors()([question, passage(CANARY)])
    assert near.chunk == CANARY
    assert near.relevance == pytest.approx(float(asked @ known), abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4), st.text())
def test_the_filter_means_the_groups_and_nothing_else(groups: list[str], other: str) -> None:
    """Whatever the names are, they are refused, or the filter lets through those groups and no other one."""
    try:
        text = access_filter(groups)
    except InputError:
        return
    passes = parsed(text, {"groups": {"filterable": True}})
    assert all(passes({"groups": [group]}) for group in groups)
    assert passes({"groups": [other]}) == (other in groups)


def test_without_a_key_the_identity_of_the_program_signs_in(service: SearchService) -> None:
    """No identity is looked for before a search needs one, and its token goes nowhere but to https."""
    index = AzureSearchIndex(service.address, "chunks", WordVectors())
    with pytest.raises(InputError, match=r"token authentication is not permitted for non-TLS"):
        index.search("canary", ["everyone"], 3)
    assert service.requests == []


def test_a_passage_for_others_is_an_error(service: SearchService) -> None:
    """A service that forgets the filter is caught, and no hit of its answer is used."""
    index = connected(service)
    index.apply(ALL, [])
    service.filtering = False
    with pytest.raises(InputError, match=r"gave a passage of \S+ to groups without access; "):
        index.search(SALARY.text, ["everyone"], 3)


@pytest.mark.parametrize("group", ["", " everyone", "a|b", "every\none", "\x00"])
def test_group_names_that_a_filter_would_misread_are_refused(group: str, service: SearchService) -> None:
    """Refused in one line, and of a delta with such a group nothing is sent."""
    with pytest.raises(InputError, match="cannot be a group here"):
        access_filter(["everyone", group])
    with pytest.raises(InputError, match="cannot be a group here"):
        connected(service).apply([CANARY, chunk("x.md#1", "For nobody.", (group,))], [])
    with pytest.raises(InputError, match="give each document a group"):
        connected(service).apply([chunk("x.md#1", "For nobody.", ())], [])
    assert service.requests == []


@pytest.mark.parametrize("page", [1_000, 300], ids=["asked for", "cut short by the service"])
def test_all_digests_come(page: int, service: SearchService) -> None:
    """More chunks than one answer holds are written in batches and read back whole, by keys and by continuation."""
    index = connected(service, dimension=2)
    chunks = [chunk(f"many.md#{number}", "Many.") for number in range(1_234)]
    index.apply(chunks, [])
    service.page = page
    assert index.digests() == {each.id: each.digest for each in chunks}
    index.apply([], [each.id for each in chunks[5:]])
    assert set(index.digests()) == {each.id for each in chunks[:5]}


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(status: int, service: SearchService) -> None:
    """What the service puts off is done when it said to come back."""
    index = connected(service)
    index.apply([CANARY], [])
    service.instead.extend([Answer({}, status, {"Retry-After": "0.01"})] * 2)
    assert cases.ids(index.search(CANARY.text, ["everyone"], 1)) == [CANARY.id]
    assert len({json.dumps(request.body) for request in service.requests[-3:]}) == 1


def test_documents_that_fail_alone_are_reported(service: SearchService) -> None:
    """The number and the first reason are said; the others are in, and the same delta once more mends it."""
    index = connected(service)
    service.broken = {safe_key(SALARY.id): (503, "the shard\nis busy")}
    with pytest.raises(
        InputError, match=r"1 of 4 chunks were not written to .*for status 503, the shard is busy; run the"
    ):
        index.apply(ALL, [])
    assert set(index.digests()) == {each.id for each in ALL} - {SALARY.id}
    service.broken = {}
    index.apply([SALARY], [])
    assert len(index.digests()) == 4


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer({"error": {"code": "Expired", "message": "token\nexpired"}}, 401), "token expired; sign in again"),
        (Answer({"error": {"code": "Forbidden", "message": "no role"}}, 403), "no role; give the identity a role"),
        (
            Answer({"error": {"code": "Busy", "message": "later"}}, 429),
            "later; try again later, or give the service more",
        ),
        (Answer({"error": {"code": "Bad", "message": "no such"}}, 400), "no such; if the settings have changed, "),
        (Answer(b'{"value": [{"@search', 200), "its answer makes no sense; check the address"),
        (Answer(b"<html>welcome</html>", 200, {"Content-Type": "text/html"}), "check the address"),
        (Answer({"value": None}), "its answer makes no sense; check the address"),
        (Answer({"value": [{"@search.score": 1.0, "id": "x"}]}), "its answer makes no sense; check the address"),
        (Answer({"value": [{"@search.score": 1.0, "@search.rerankerScore": "high"}]}), "makes no sense"),
    ],
)
def test_a_bad_answer_is_one_line(answer: Answer, words: str, service: SearchService) -> None:
    """An expired token, a missing role, half an answer: one line that says what to do."""
    index = connected(service)
    index.apply(ALL, [])
    service.instead.append(answer)
    with pytest.raises(InputError) as raised:
        index.search("canary", ["everyone"], 3)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_service_that_is_not_there_is_one_line(service: SearchService) -> None:
    """No index yet, and no service at all, are said in one line each."""
    with pytest.raises(InputError, match=r"there is no index chunks at http\S+; ingest documents first"):
        connected(service).search("canary", ["everyone"], 3)
    unknown = AzureSearchIndex("http://127.0.0.1:1", "chunks", WordVectors(), credential=AzureKeyCredential(KEY))
    with pytest.raises(InputError, match=r"^cannot search the index chunks at .*; check address and network$"):
        unknown.search("canary", ["everyone"], 3)


def test_another_dimension_needs_another_index(service: SearchService) -> None:
    """A model with longer vectors is refused by the service, and the line says to delete the index."""
    connected(service).apply([CANARY], [])
    with pytest.raises(InputError, match=r"Existing field cannot be changed\.; if the settings have changed, delete"):
        connected(service, dimension=32).apply([SALARY], [])
    assert set(connected(service).digests()) == {CANARY.id}
