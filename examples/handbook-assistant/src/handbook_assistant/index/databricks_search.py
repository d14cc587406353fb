"""Chunks in Databricks AI Search: hybrid search in a direct access index, reranked when asked for.

What would surprise:

- The index is a direct access one, and vectors are made here. A delta sync index makes its own, but it follows a Delta
  table by a pipeline: to change ten chunks takes a table, a Spark or SQL session to merge into it, and a wait. Here a
  delta is as many rows as it names, and what was written is found at once.
- The client is the SDK's, and not `AISearchClient`: that one takes a token or a secret, this one also an identity
  (workload identity federation, managed identity, the notebook's), all by the SDK's own settings.
- A direct access index has columns of single values, no lists. So a chunk is one row for each group that may see it,
  and the filter asks for the row's reader. A reader is the hash of the group's name: no name can mean something else.
- Nothing spans two batches, see `azure_search`. Rows that lose their reader go first, so that an error never leaves
  more access than before or after. A chunk with rows of two versions has no digest, so that the next delta mends it.
- The fused score knows ranks, and the first is always first. So relevance comes from a second query for the nearest
  vectors, with the same filter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeAlias

from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service import vectorsearch as api

from ..embed import Embedder, Vectors, passage
from ..errors import InputError
from ..schema import Chunk
from .base import Hit
from .cloud import MissingError, check_access, reason, safe_key

Row: TypeAlias = Mapping[str, Any]

ROW, ID, READER, GROUPS, DIGEST, VECTOR = "row", "id", "reader", "groups", "digest", "vector"
SEARCHED = ("title", "heading", "text")
# What a query gives back; the vector stays where it is.
STORED = (ID, "document", *SEARCHED, GROUPS, "updated", DIGEST)
SCHEMA = {**dict.fromkeys((ROW, READER, *STORED), "string"), VECTOR: "array<float>"}
BATCH = 100
# Keys to delete are part of the address, which must stay below 8 kB.
DELETED = 50
PAGE = 1_000
# A hybrid query gives no more.
MOST_RESULTS = 200
# Seconds to wait for a new index: about as long as the service takes at its worst.
PATIENCE, FIRST_PAUSE, LONGEST_PAUSE = 3_600.0, 0.1, 20.0
# For how many seconds the client tries again what the service puts off; its own 300 is long for who asks a question.
RETRIES = 60


class DatabricksSearchIndex:
    """The index `name` (catalog.schema.index) on the endpoint of that name, both made by the first delta.

    embed: makes vectors of chunks and questions; they have to be of length 1.
    rerank: whether the service's reranker orders what was found.
    client: by the SDK's settings unless given, and made when it is needed.
    """

    def __init__(
        self, endpoint: str, name: str, embed: Embedder, rerank: bool = False, client: WorkspaceClient | None = None
    ) -> None:
        self._endpoint = endpoint
        self._name = name
        self._embed = embed
        self._rerank = rerank
        self._given = client

    def digests(self) -> dict[str, str]:
        """See `Index`; empty while there is no such index, and "" for a chunk of which not all rows are there."""
        chunks: dict[str, list[Row]] = {}
        for row in self._rows():
            chunks.setdefault(row[ID], []).append(row)
        return {chunk: rows[0][DIGEST] if _is_whole(rows) else "" for chunk, rows in chunks.items()}

    def _rows(self) -> list[Row]:
        """All rows, without what is long, by pages."""
        try:
            with self._asking("read"):
                return list(self._scan())
        except MissingError:
            return []

    def _scan(self) -> Iterator[Row]:
        last = None
        while page := self._indexes.scan_index(self._name, last_primary_key=last, num_results=PAGE).data:
            rows = [_values(struct) for struct in page]
            yield from ({column: row[column] for column in (ROW, ID, READER, GROUPS, DIGEST)} for row in rows)
            last = rows[-1][ROW]

    def apply(self, upserts: Iterable[Chunk], deletes: Sequence[str]) -> None:
        """See `Index`, and above for what an error leaves behind."""
        chunks = {chunk.id: chunk for chunk in upserts}
        for chunk in chunks.values():
            if not chunk.groups:
                raise InputError(f"nobody may see {chunk.id}: it has no group; give its document one")
        vectors = self._embed([passage(chunk) for chunk in chunks.values()])
        rows = [row for chunk, vector in zip(chunks.values(), vectors, strict=True) for row in _as_rows(chunk, vector)]
        kept, touched = {row[ROW] for row in rows}, {*chunks, *deletes}
        gone = [row[ROW] for row in self._rows() if row[ID] in touched and row[ROW] not in kept]
        with self._asking("write to"):
            self._define()
            for start in range(0, len(gone), DELETED):
                self._check(self._indexes.delete_data_vector_index(self._name, gone[start : start + DELETED]))
            for start in range(0, len(rows), BATCH):
                batch = json.dumps(rows[start : start + BATCH])
                self._check(self._indexes.upsert_data_vector_index(self._name, batch))

    def _define(self) -> None:
        """Make endpoint and index where they are missing, and wait until the index takes rows."""
        endpoints = self._workspace.vector_search_endpoints
        try:
            endpoints.get_endpoint(self._endpoint)
        except NotFound:
            endpoints.create_endpoint_and_wait(self._endpoint, api.EndpointType.STANDARD)
        try:
            self._check_kind(self._indexes.get_index(self._name))
        except NotFound:
            self._create()
        self._wait()

    def _create(self) -> None:
        column = api.EmbeddingVectorColumn(name=VECTOR, embedding_dimension=self._embed.dimension)
        spec = api.DirectAccessVectorIndexSpec(embedding_vector_columns=[column], schema_json=json.dumps(SCHEMA))
        kind = api.VectorIndexType.DIRECT_ACCESS
        self._indexes.create_index(self._name, self._endpoint, ROW, kind, direct_access_index_spec=spec)

    def _check_kind(self, found: api.VectorIndex) -> None:
        """Refuse an index that is not one of ours, or was made for other vectors."""
        spec = found.direct_access_index_spec
        columns = (spec.embedding_vector_columns if spec else None) or []
        if [(column.name, column.embedding_dimension) for column in columns] != [(VECTOR, self._embed.dimension)]:
            raise InputError(
                f"{self._place} does not hold vectors of {self._embed.dimension} numbers; "
                "delete it and ingest anew, or give another name"
            )

    def _wait(self) -> None:
        deadline, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        while not (status := self._indexes.get_index(self._name).status) or not status.ready:
            if time.monotonic() > deadline:
                raise InputError(f"{self._place} is not ready after {PATIENCE:.0f} seconds; look at it, then try again")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _check(self, answer: api.UpsertDataVectorIndexResponse | api.DeleteDataVectorIndexResponse) -> None:
        """Refuse a batch of which single rows failed."""
        if answer.status is None:
            raise ValueError("no status")
        if answer.status.value != "SUCCESS":
            failed = answer.result.failed_primary_keys if answer.result else None
            raise InputError(
                f"{len(failed) if failed else 'some'} rows were not written to {self._place}; "
                "run the same step again, it writes what is missing"
            )

    def search(self, question: str, groups: Sequence[str], k: int) -> list[Hit]:
        """See `Index`. Relevance is the cosine of question and chunk, and 0 for a chunk that only words found."""
        if not question.strip() or not groups or k < 1:
            return []
        vector = self._embed([question])[0]
        # A chunk has as many rows as the filter lets through at most: one for each of the groups.
        wanted = min(k * len(set(groups)), MOST_RESULTS)
        with self._asking("search"):
            best = _first_of_each(self._query("HYBRID", vector, groups, wanted, question))
            near = _first_of_each(self._query("ANN", vector, groups, MOST_RESULTS))
            hits = [self._hit(rank, row, near.get(row[ID])) for rank, row in enumerate(best.values())]
        check_access((hit.chunk for hit in hits), groups, self._place)
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))[:k]

    def _query(self, kind: str, vector: Vectors, groups: Sequence[str], n: int, text: str | None = None) -> list[Row]:
        """The n best rows that the groups may see, best first, each with its `score`."""
        reranked = api.RerankerConfigRerankerParameters(columns_to_rerank=list(SEARCHED))
        answer = self._indexes.query_index(
            self._name,
            list(STORED),
            filters_json=json.dumps({READER: [safe_key(group) for group in groups]}),
            num_results=n,
            query_columns=list(SEARCHED) if text else None,
            query_text=text,
            query_type=kind,
            query_vector=vector.tolist(),
            reranker=api.RerankerConfig("databricks_reranker", reranked) if text and self._rerank else None,
        )
        return _table(answer)

    def _hit(self, rank: int, row: Row, near: Row | None) -> Hit:
        relevance = _cosine(float(near["score"])) if near else 0.0
        # What the reranker thinks of a row is not said, only the order that it gives them.
        score = 1 / (1 + rank) if self._rerank else float(row["score"])
        return Hit(_chunk(row), score, relevance)

    @cached_property
    def _workspace(self) -> WorkspaceClient:
        if self._given:
            return self._given
        try:
            config = Config(retry_timeout_seconds=RETRIES)
            # Now, since later it would look like an answer of the index.
            config.authenticate()
            return WorkspaceClient(config=config)
        except ValueError as error:
            raise InputError(
                f"cannot sign in to Databricks: {_reason(error)}; set DATABRICKS_HOST and sign in"
            ) from error

    @property
    def _indexes(self) -> api.VectorSearchIndexesAPI:
        return self._workspace.vector_search_indexes

    @property
    def _place(self) -> str:
        return f"the index {self._name} on the endpoint {self._endpoint}"

    @contextmanager
    def _asking(self, verb: str) -> Iterator[None]:
        """Turn what can go wrong on the way and in the answer into one line."""
        try:
            yield
        except NotFound as error:
            raise MissingError(f"there is no {self._place.removeprefix('the ')}; ingest documents first") from error
        except Unauthenticated as error:
            raise InputError(f"cannot {verb} {self._place}: {_reason(error)}; sign in again") from error
        except PermissionDenied as error:
            raise InputError(f"cannot {verb} {self._place}: {_reason(error)}; grant the identity the index") from error
        except DatabricksError as error:
            mend = "if the settings have changed, delete the index and ingest anew"
            raise InputError(f"cannot {verb} {self._place}: {_reason(error)}; {mend}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"cannot {verb} {self._place}: its answer makes no sense; check the address") from error
        except OSError as error:
            why = _reason(error.__cause__ or error)
            raise InputError(f"cannot {verb} {self._place}: {why}; check address and network, or try later") from error


def _reason(error: BaseException) -> str:
    """Without the settings, which the SDK says too."""
    return reason(str(error).split(". Config: ")[0])


def _as_rows(chunk: Chunk, vector: Vectors) -> list[dict[str, Any]]:
    """A row for each group that may see the chunk."""
    stored = {**{column: getattr(chunk, column) for column in STORED}, GROUPS: json.dumps(chunk.groups)}
    readers = [safe_key(group) for group in sorted(set(chunk.groups))]
    # Neither an id nor a hash has a line break, so no two pairs are the same text.
    return [{**stored, ROW: safe_key(f"{chunk.id}\n{it}"), READER: it, VECTOR: vector.tolist()} for it in readers]


def _is_whole(rows: Sequence[Row]) -> bool:
    """Whether all rows of a chunk are of one version, and there for each of its groups."""
    versions = {(row[DIGEST], row[GROUPS]) for row in rows}
    readers = {safe_key(group) for group in json.loads(rows[0][GROUPS])}
    return len(versions) == 1 and {row[READER] for row in rows} == readers


def _values(struct: api.Struct) -> Row:
    return {str(it.key): it.value.string_value for it in struct.fields or [] if it.value}


def _table(answer: api.QueryVectorIndexResponse) -> list[Row]:
    """Rows by the names of their columns."""
    if not answer.manifest or not answer.manifest.columns or not answer.result:
        raise ValueError("no table")
    names = [str(column.name) for column in answer.manifest.columns]
    return [dict(zip(names, values, strict=True)) for values in answer.result.data_array or []]


def _first_of_each(rows: Iterable[Row]) -> dict[str, Row]:
    """The best row of each chunk, in the order of the rows."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row[ID], row)
    return found


def _chunk(row: Row) -> Chunk:
    fields: dict[str, Any] = {column: str(row[column]) for column in STORED}
    return Chunk(**{**fields, GROUPS: tuple(json.loads(row[GROUPS]))})


def _cosine(score: float) -> float:
    """The service gives 1 / (1 + d²) for vectors at distance d, and d² is 2 - 2 cos for vectors of length 1."""
    return min(max((3 - 1 / score) / 2, 0.0), 1.0)
