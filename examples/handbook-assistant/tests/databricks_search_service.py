"""Databricks AI Search on this computer: what the index of chunks asks of it, by the REST API.

Rows live in memory; upserts, deletes, filters and pages are really executed. Whatever is not known here is answered
with 400. Scores are those that the documentation gives: 1 / (1 + d²) for the nearest, fused ranks for a hybrid query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from loopback import Answer, Request, Service

TOKEN, IDENTITY, ISSUED = "a dummy token", "what the workload shows", "what it gets for it"
ROOT = "/api/2.0/vector-search"
PAGE, ROWS, MOST_RESULTS, LONGEST_ADDRESS = 1_000, 1_000, 200, 8_000
TYPES = {"string", "integer", "long", "float", "double", "boolean", "date", "timestamp"}
PARAMETERS = {
    *(
        "columns",
        "filters_json",
        "num_results",
        "query_columns",
        "query_text",
        "query_type",
        "query_vector",
        "reranker",
    ),
}
FUSION = 60

Row = dict[str, Any]


class RefusedError(Exception):
    """The request is none that the service understands."""


class DatabricksSearchService(Service):
    """Knows one token, and gives another to a workload that shows its identity.

    `delay` is how often a new index says that it is not ready; `broken` are keys of rows that fail.
    """

    def __init__(self) -> None:
        super().__init__()
        self.endpoints: dict[str, Row] = {}
        self.indexes: dict[str, Row] = {}
        self.rows: dict[str, dict[str, Row]] = {}
        self.delay = 0
        self.broken: set[str] = set()
        self.filtering = True

    def answer(self, request: Request) -> Answer:
        if "/.well-known/" in request.path or request.path == "/oidc/v1/token":
            return self._sign_in(request)
        if request.headers.get("authorization") not in (f"Bearer {TOKEN}", f"Bearer {ISSUED}"):
            return _error(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type")
        try:
            return self._act(request)
        except (RefusedError, KeyError) as error:
            return _error(400, "INVALID_PARAMETER_VALUE", str(error))

    def _sign_in(self, request: Request) -> Answer:
        if request.path == "/.well-known/databricks-config":
            return Answer({"oidc_endpoint": f"{self.address}/oidc", "workspace_id": "1"})
        if request.path == "/oidc/.well-known/oauth-authorization-server":
            return Answer({f"{it}_endpoint": f"{self.address}/oidc/v1/{it}" for it in ("authorization", "token")})
        if request.path == "/oidc/v1/token" and parse_qs(request.body).get("subject_token") == [IDENTITY]:
            return Answer({"access_token": ISSUED, "token_type": "Bearer", "expires_in": 3600})
        return _error(404 if "well-known" in request.path else 401, "invalid_grant", "no such identity")

    def _act(self, request: Request) -> Answer:
        kind, name, verb = (*request.path.removeprefix(f"{ROOT}/").split("/"), "", "")[:3]
        if kind == "endpoints":
            return self._endpoint(request, name)
        if not name:
            return self._create(request.body)
        if name not in self.indexes:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Index {name} does not exist")
        actions: dict[tuple[str, str], Callable[[str, Request], Answer]] = {
            ("GET", ""): self._describe,
            ("POST", "upsert-data"): self._upsert,
            ("DELETE", "delete-data"): self._delete,
            ("POST", "scan"): self._scan,
            ("POST", "query"): self._query,
        }
        return actions[request.method, verb](name, request)

    def _endpoint(self, request: Request, name: str) -> Answer:
        if request.method == "POST":
            name = request.body["name"]
            _require(request.body["endpoint_type"] == "STANDARD", "a direct access index needs a standard endpoint")
            self.endpoints[name] = {"name": name, "endpoint_status": {"state": "ONLINE"}}
        if name not in self.endpoints:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Endpoint {name} does not exist")
        return Answer(self.endpoints[name])

    def _create(self, body: Row) -> Answer:
        _require(body["endpoint_name"] in self.endpoints, "no such endpoint")
        _require(body["index_type"] == "DIRECT_ACCESS", "index type")
        _require(body["name"].count(".") == 2, "catalog.schema.name")
        spec = body["direct_access_index_spec"]
        schema = json.loads(spec["schema_json"])
        (vector,) = spec["embedding_vector_columns"]
        _require(schema.pop(vector["name"]) == "array<float>", "a vector column")
        _require(set(schema.values()) <= TYPES and body["primary_key"] in schema, "columns of single values")
        self.indexes[body["name"]] = body
        self.rows[body["name"]] = {}
        return Answer(body)

    def _describe(self, name: str, _: Request) -> Answer:
        self.delay -= 1
        return Answer({**self.indexes[name], "status": {"ready": self.delay < 0}})

    def _columns(self, name: str) -> tuple[str, str, int, set[str]]:
        """Primary key, vector column, its dimension, all columns."""
        index = self.indexes[name]
        (vector,) = index["direct_access_index_spec"]["embedding_vector_columns"]
        columns = set(json.loads(index["direct_access_index_spec"]["schema_json"]))
        return index["primary_key"], vector["name"], vector["embedding_dimension"], columns

    def _upsert(self, name: str, request: Request) -> Answer:
        key, vector, dimension, columns = self._columns(name)
        rows = json.loads(request.body["inputs_json"])
        _require(0 < len(rows) <= ROWS, f"between 1 and {ROWS} rows")
        for row in rows:
            _require(set(row) == columns and len(row[vector]) == dimension, "a row has other columns")
        good = {row[key]: row for row in rows if row[key] not in self.broken}
        self.rows[name].update(good)
        return _written([row[key] for row in rows], sorted(set(good)))

    def _delete(self, name: str, request: Request) -> Answer:
        keys = request.query["primary_keys"]
        _require(sum(len(key) + 14 for key in keys) < LONGEST_ADDRESS, "the address is too long")
        for key in keys:
            self.rows[name].pop(key, None)
        return _written(keys, keys)

    def _scan(self, name: str, request: Request) -> Answer:
        after = request.body.get("last_primary_key", "")
        keys = sorted(key for key in self.rows[name] if key > after)[: min(request.body["num_results"], PAGE)]
        data = [{"fields": [_entry(*pair) for pair in self.rows[name][key].items()]} for key in keys]
        return Answer({"data": data, "last_primary_key": keys[-1]} if keys else {})

    def _query(self, name: str, request: Request) -> Answer:
        body = request.body
        _key, vector, dimension, columns = self._columns(name)
        _require(not set(body) - PARAMETERS and set(body["columns"]) <= columns, f"parameters {sorted(body)}")
        _require(len(body["query_vector"]) == dimension, f"the vector has not {dimension} numbers")
        passes = _filter(body, columns)
        rows = [row for row in self.rows[name].values() if not self.filtering or passes(row)]
        near = _similarities({row[_key]: row[vector] for row in rows}, body["query_vector"])
        scores = near if body["query_type"] == "ANN" else self._fused(rows, near, body, _key)
        best = sorted(scores, key=lambda key: (-scores[key], key))[: body["num_results"]]
        if "reranker" in body:
            best = _reranked(best, self.rows[name], body)
        table = [[*(self.rows[name][key][column] for column in body["columns"]), scores[key]] for key in best]
        names = [{"name": column} for column in [*body["columns"], "score"]]
        manifest = {"column_count": len(names), "columns": names}
        result = {"row_count": len(table), "data_array": table} if table else {"row_count": 0}
        return Answer({"manifest": manifest, "result": result})

    def _fused(self, rows: list[Row], near: dict[str, float], body: Row, key: str) -> dict[str, float]:
        _require(body["query_type"] == "HYBRID" and body["num_results"] <= MOST_RESULTS, "query type and size")
        words = _words(body["query_text"])
        in_text = {row[key]: float(len(words & _words(_text(row, body["query_columns"])))) for row in rows}
        fused = dict.fromkeys(near, 0.0)
        for scores in (near, {key: score for key, score in in_text.items() if score}):
            for rank, found in enumerate(sorted(scores, key=lambda key: (-scores[key], key))):
                fused[found] += FUSION / 2 / (FUSION + rank)
        return fused


def _filter(body: Row, columns: set[str]) -> Callable[[Row], bool]:
    """Of the filters only: a column equal to one of a list of texts."""
    filters = json.loads(body["filters_json"])
    for column, values in filters.items():
        _require(column in columns and isinstance(values, list) and len(values) > 0, f"filter {filters}")
    return lambda row: all(row[column] in values for column, values in filters.items())


def _reranked(keys: list[str], rows: dict[str, Row], body: Row) -> list[str]:
    """In the order of the share of the question's words, best first."""
    _require(body["reranker"]["model"] == "databricks_reranker", "reranker")
    columns, words = body["reranker"]["parameters"]["columns_to_rerank"], _words(body["query_text"])
    return sorted(keys, key=lambda key: -len(words & _words(_text(rows[key], columns))))


def _written(asked: list[str], done: list[str]) -> Answer:
    failed = [key for key in asked if key not in done]
    status = "SUCCESS" if not failed else "PARTIAL_SUCCESS" if done else "FAILURE"
    return Answer({"status": status, "result": {"success_row_count": len(done), "failed_primary_keys": failed}})


def _entry(column: str, value: object) -> Row:
    if isinstance(value, list):
        return {"key": column, "value": {"list_value": {"values": [{"number_value": number} for number in value]}}}
    return {"key": column, "value": {"string_value": value}}


def _similarities(vectors: dict[str, list[float]], asked: list[float]) -> dict[str, float]:
    if not vectors:
        return {}
    distances = ((np.array(list(vectors.values())) - np.array(asked)) ** 2).sum(axis=1)
    return dict(zip(vectors, (1 / (1 + distances)).tolist(), strict=True))


# Every question is compared with the same rows.
@cache
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _text(row: Row, columns: list[str]) -> str:
    return " ".join(row[column] for column in columns)


def _require(fits: bool, rule: str) -> None:
    if not fits:
        raise RefusedError(rule)


def _error(status: int, code: str, message: str) -> Answer:
    return Answer({"error_code": code, "message": message}, status)
