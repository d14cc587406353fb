"""Chunks in Azure AI Search: hybrid search, reranked by its semantic ranker.

What would surprise:

- Nothing spans two batches: after an error some chunks may be new and others old. `digests` tells which, so the same
  delta once more mends it. Everything that can be refused here is refused before anything is sent.
- A document's key takes letters, digits and three signs, and a chunk's id is a path with headings: the key is a hash.
- `groups` can be read back, since what comes back is checked and a `Chunk` says who may see it. Let nobody but the
  application read the index; whoever can needs no groups at all.
- Words go to the text query without signs: `-word` would leave out what is asked for. The ranker sees the question.
- What was written is found after a second or two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.search.documents import SearchClient
from azure.search.documents.indexes import SearchIndexClient
from azure.search.documents.indexes import models as definition
from azure.search.documents.models import VectorizedQuery

from .. import entra
from ..embed import Embedder, Vectors, passage
from ..errors import InputError
from ..schema import Chunk
from .base import Hit
from .cloud import MissingError, check_access, reason, safe_key

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

Credential: TypeAlias = "AzureKeyCredential | TokenCredential"
Found: TypeAlias = Mapping[str, Any]

KEY, ID, GROUPS, DIGEST, VECTOR = "key", "id", "groups", "digest", "vector"
SEARCHED = ("title", "heading", "text")
STORED = (ID, "document", *SEARCHED, GROUPS, "updated", DIGEST)
SEMANTIC = PROFILE = ALGORITHM = "default"
# A request may hold 1,000 documents and 16 MB; a vector of 1,536 numbers is 30 kB of text.
BATCH = 200
# The most that one answer holds.
PAGE = 1_000
# As many as the ranker looks at.
CANDIDATES = 50
MOST_RELEVANT = 4.0
SEPARATOR = "|"


class AzureSearchIndex:
    """The index `name` of the service at `endpoint`, made by the first delta.

    embed: makes vectors of chunks and questions.
    semantic: whether the ranker orders what was found; a search costs more, and its relevance is the better one.
    credential: the identity that runs the program unless given. The service has to know it as Search Index Data
        Contributor and Search Service Contributor to write, as Search Index Data Reader to search.
    """

    def __init__(
        self, endpoint: str, name: str, embed: Embedder, semantic: bool = True, credential: Credential | None = None
    ) -> None:
        self._endpoint = endpoint
        self._name = name
        self._embed = embed
        self._semantic = semantic
        self._given = credential

    @cached_property
    def _credential(self) -> Credential:
        """Made when it is needed: making it looks for identities, and importing it takes time."""
        if self._given is not None:
            return self._given
        return entra.credential()

    @cached_property
    def _client(self) -> SearchClient:
        return SearchClient(self._endpoint, self._name, self._credential)

    def digests(self) -> dict[str, str]:
        """See `Index`; empty while there is no such index."""
        try:
            with self._asking("read"):
                return {found[ID]: found[DIGEST] for found in self._all()}
        except MissingError:
            return {}

    def _all(self) -> Iterator[Found]:
        """All documents by their keys: skipping, the other way to page, ends at 100,000."""
        last = ""
        while page := list(
            self._client.search(
                "*", filter=f"{KEY} gt {_quoted(last)}", order_by=[KEY], top=PAGE, select=[KEY, ID, DIGEST]
            )
        ):
            yield from page
            last = page[-1][KEY]

    def apply(self, upserts: Iterable[Chunk], deletes: Sequence[str]) -> None:
        """See `Index`, and above for what an error leaves behind."""
        chunks = list(upserts)
        for chunk in chunks:
            access_filter(chunk.groups)
        vectors = self._embed([passage(chunk) for chunk in chunks])
        documents = [_document(chunk, vector) for chunk, vector in zip(chunks, vectors, strict=True)]
        keys = [{KEY: safe_key(chunk)} for chunk in deletes]
        with self._asking("write to"):
            self._define()
            for batch in _batches(documents):
                self._check(self._client.merge_or_upload_documents(batch))
            for batch in _batches(keys):
                self._check(self._client.delete_documents(batch))

    def _define(self) -> None:
        with SearchIndexClient(self._endpoint, self._credential) as client:
            client.create_or_update_index(index_definition(self._name, self._embed.dimension))

    def _check(self, results: Sequence[Any]) -> None:
        """Refuse a batch of which single documents failed."""
        failed = [result for result in results if not result.succeeded]
        if failed:
            why = " ".join(f"status {failed[0].status_code}, {failed[0].error_message}".split())
            raise InputError(
                f"{len(failed)} of {len(results)} chunks were not written to {self._place}, the first for {why}; "
                "run the same step again, it writes what is missing"
            )

    def search(self, question: str, groups: Sequence[str], k: int) -> list[Hit]:
        """See `Index`.

        Relevance is the ranker's score over its highest, 4. Without the ranker it is the cosine of question and
        chunk, and 0 for a chunk that only words found: the fused score knows ranks, and the first is always first.
        """
        words = " ".join(re.findall(r"\w+", question))
        if not words or not groups or k < 1:
            return []
        vector = self._embed([question])[0]
        nearest = VectorizedQuery(vector=vector.tolist(), fields=VECTOR, k_nearest_neighbors=max(k, CANDIDATES))
        with self._asking("search"):
            found = self._client.search(
                words,
                filter=access_filter(groups),
                vector_queries=[nearest],
                vector_filter_mode="preFilter",
                search_fields=list(SEARCHED),
                select=list(STORED),
                top=k,
                **self._ranking(question),
            )
            hits = [self._hit(document) for document in found]
        check_access((hit.chunk for hit in hits), groups, self._place)
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))[:k]

    def _ranking(self, question: str) -> dict[str, Any]:
        """What asks for the ranker, or for the cosines that stand in for it."""
        if not self._semantic:
            return {"debug": "vector"}
        # By default the ranker leaves out what it has no time for, and half of the relevances would be missing.
        whole = {"semantic_error_mode": "fail"}
        return {"query_type": "semantic", "semantic_configuration_name": SEMANTIC, "semantic_query": question, **whole}

    def _hit(self, found: Found) -> Hit:
        if self._semantic:
            score = float(found["@search.reranker_score"])
            return Hit(_chunk(found), score, min(max(score / MOST_RELEVANT, 0.0), 1.0))
        return Hit(_chunk(found), float(found["@search.score"]), min(max(_cosine(found), 0.0), 1.0))

    @property
    def _place(self) -> str:
        return f"the index {self._name} at {self._endpoint}"

    @contextmanager
    def _asking(self, verb: str) -> Iterator[None]:
        """Turn what can go wrong on the way and in the answer into one line."""
        try:
            yield
        except ResourceNotFoundError as error:
            raise MissingError(f"there is no {self._place.removeprefix('the ')}; ingest documents first") from error
        except ClientAuthenticationError as error:
            raise InputError(f"cannot {verb} {self._place}: {reason(error)}; sign in again") from error
        except (DecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"cannot {verb} {self._place}: its answer makes no sense; check the address") from error
        except HttpResponseError as error:
            raise InputError(f"cannot {verb} {self._place}: {reason(error)}; {_mend(error)}") from error
        except AzureError as error:
            raise InputError(f"cannot {verb} {self._place}: {reason(error)}; check address and network") from error


def index_definition(name: str, dimension: int) -> definition.SearchIndex:
    """What the service has to know about the documents: their fields, how vectors are compared, what is ranked."""
    text = definition.SearchFieldDataType.STRING
    texts = f"Collection({text.value})"
    numbers = f"Collection({definition.SearchFieldDataType.SINGLE.value})"
    return definition.SearchIndex(
        name=name,
        fields=[
            definition.SimpleField(name=KEY, type=text, key=True, filterable=True, sortable=True),
            *(definition.SimpleField(name=field, type=text) for field in (ID, "document", "updated", DIGEST)),
            *(definition.SearchableField(name=field) for field in SEARCHED),
            definition.SimpleField(name=GROUPS, type=texts, filterable=True),
            definition.SearchField(
                name=VECTOR,
                type=numbers,
                searchable=True,
                retrievable=False,
                vector_search_dimensions=dimension,
                vector_search_profile_name=PROFILE,
            ),
        ],
        vector_search=definition.VectorSearch(
            profiles=[definition.VectorSearchProfile(name=PROFILE, algorithm_configuration_name=ALGORITHM)],
            algorithms=[
                definition.HnswAlgorithmConfiguration(
                    name=ALGORITHM, parameters=definition.HnswParameters(metric="cosine")
                )
            ],
        ),
        semantic_search=definition.SemanticSearch(
            default_configuration_name=SEMANTIC,
            configurations=[
                definition.SemanticConfiguration(
                    name=SEMANTIC,
                    prioritized_fields=definition.SemanticPrioritizedFields(
                        title_field=definition.SemanticField(field_name="title"),
                        content_fields=[definition.SemanticField(field_name="text")],
                        keywords_fields=[definition.SemanticField(field_name="heading")],
                    ),
                )
            ],
        ),
    )


def access_filter(groups: Sequence[str]) -> str:
    """The OData filter for documents of one of the groups.

    Raises:
        InputError: there is no group, or one has a name that the filter could read as something else.
    """
    for group in groups:
        if not group or group != group.strip() or SEPARATOR in group or not group.isprintable():
            raise InputError(
                f"{group!r:.80} cannot be a group here: it is empty, or has {SEPARATOR}, outer spaces or signs "
                "that do not print; rename it"
            )
    if not groups:
        raise InputError("nobody may see a chunk without a group; give each document a group")
    return f"{GROUPS}/any(g: search.in(g, {_quoted(SEPARATOR.join(groups))}, '{SEPARATOR}'))"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _document(chunk: Chunk, vector: Vectors) -> dict[str, Any]:
    stored = {field: getattr(chunk, field) for field in STORED}
    return {**stored, KEY: safe_key(chunk.id), GROUPS: list(chunk.groups), VECTOR: vector.tolist()}


def _chunk(found: Found) -> Chunk:
    fields: dict[str, Any] = {field: str(found[field]) for field in STORED}
    return Chunk(**{**fields, GROUPS: tuple(found[GROUPS])})


def _cosine(found: Found) -> float:
    information = found["@search.document_debug_info"]
    vectors = information.vectors.subscores.vectors if information and information.vectors else None
    return float(vectors[0][VECTOR].vector_similarity) if vectors else 0.0


def _batches(documents: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(documents), BATCH):
        yield list(documents[start : start + BATCH])


def _mend(error: HttpResponseError) -> str:
    if error.status_code == 403:
        return "give the identity a role for the data of the search service"
    if error.status_code in (429, 503):
        return "try again later, or give the service more capacity"
    return "if the settings have changed, delete the index and ingest anew"
