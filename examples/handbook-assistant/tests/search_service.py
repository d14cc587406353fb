"""Azure AI Search on this computer: what the index of chunks asks of it, by the REST API of 2026-04-01.

Documents live in memory and filters, merges and pages are really executed. Whatever is not known here, be it a
parameter, a field or the form of a filter, is answered with 400, as the service does. Scores are simple ones: words in
common, cosines, their ranks fused; the ranker gives the share of the question's words times 4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from loopback import Answer, Request, Service

KEY = "a dummy key"
PAGE, BATCH, RANKED = 1_000, 1_000, 50
FUSION = 60
INDEX = re.compile(r"/indexes\('([a-z0-9-]+)'\)(.*)")
LITERAL = r"'((?:[^']|'')*)'"
MEMBER = re.compile(rf"(\w+)/any\(g: search\.in\(g, {LITERAL}, {LITERAL}\)\)")
AFTER = re.compile(rf"(\w+) gt {LITERAL}")
PARAMETERS = {
    *("search", "filter", "orderby", "top", "skip", "select", "searchFields", "vectorQueries", "vectorFilterMode"),
    *("queryType", "semanticConfiguration", "semanticQuery", "semanticErrorHandling", "debug"),
}

Document = dict[str, Any]


class RefusedError(Exception):
    """The request is none that the service understands."""


class SearchService(Service):
    """Knows one key. `page` is how many documents it puts in one answer; `broken` maps keys to why they fail."""

    def __init__(self) -> None:
        super().__init__()
        self.page = PAGE
        self.indexes: dict[str, Document] = {}
        self.documents: dict[str, dict[str, Document]] = {}
        self.broken: dict[str, tuple[int, str]] = {}
        self.filtering = True

    def answer(self, request: Request) -> Answer:
        if request.headers.get("api-key") != KEY:
            return _error(403, "Forbidden", "the key is wrong")
        found = INDEX.fullmatch(request.path)
        if not found or request.query.get("api-version") != ["2026-04-01"]:
            return _error(400, "BadRequest", f"no such request: {request.path}")
        name, rest = found.groups()
        if request.method != "PUT" and name not in self.indexes:
            return _error(404, "ResourceNotFound", f"no index {name}")
        actions = {
            ("PUT", ""): self._define,
            ("POST", "/docs/search.index"): self._write,
            ("POST", "/docs/search.post.search"): self._search,
        }
        try:
            return actions[request.method, rest](name, request.body)
        except (RefusedError, KeyError) as error:
            return _error(400, "InvalidRequestParameter", str(error))

    def _define(self, name: str, body: Document) -> Answer:
        fields = {field["name"]: field for field in body["fields"]}
        _require([field["name"] for field in body["fields"] if field.get("key")] != [], "no key field")
        for field in fields.values():
            is_vector = field["type"] == "Collection(Edm.Single)"
            _require(not is_vector or field["dimensions"] > 1, "a vector field needs dimensions")
            _require(not field.get("sortable") or not field["type"].startswith("Coll"), "a collection can't be sorted")
        known = {field["name"]: field for field in self.indexes.get(name, {"fields": []})["fields"]}
        _require(all(fields.get(field) == known[field] for field in known), "Existing field cannot be changed.")
        self.indexes[name] = body
        self.documents.setdefault(name, {})
        return Answer(body, 200 if known else 201)

    def _fields(self, name: str) -> dict[str, Document]:
        return {field["name"]: field for field in self.indexes[name]["fields"]}

    def _write(self, name: str, body: Document) -> Answer:
        actions = body["value"]
        _require(0 < len(actions) <= BATCH, f"between 1 and {BATCH} documents")
        results = [self._act(name, dict(action)) for action in actions]
        return Answer({"value": results}, 200 if all(result["status"] for result in results) else 207)

    def _act(self, name: str, document: Document) -> Document:
        action, key = document.pop("@search.action"), document["key"]
        code, message = self.broken.get(key, (0, ""))
        message = message or self._fault(name, document)
        if message:
            return {"key": key, "status": False, "errorMessage": message, "statusCode": code or 400}
        documents = self.documents[name]
        if action == "delete":
            documents.pop(key, None)
            return {"key": key, "status": True, "errorMessage": None, "statusCode": 200}
        _require(action == "mergeOrUpload", f"action {action}")
        created = key not in documents
        documents[key] = {**documents.get(key, {}), **document}
        return {"key": key, "status": True, "errorMessage": None, "statusCode": 201 if created else 200}

    def _fault(self, name: str, document: Document) -> str:
        fields = self._fields(name)
        if unknown := sorted(set(document) - set(fields)):
            return f"no field {unknown[0]}"
        if not re.fullmatch(r"[A-Za-z0-9\-=][A-Za-z0-9_\-=]*", document["key"]):
            return "Invalid document key"
        for field, value in document.items():
            if isinstance(value, list) != fields[field]["type"].startswith("Collection"):
                return f"{field} is no {fields[field]['type']}"
            if len(value) != fields[field].get("dimensions", len(value)):
                return f"{field} has {len(value)} dimensions"
        return ""

    def _search(self, name: str, body: Document) -> Answer:
        _require(not set(body) - PARAMETERS, f"unknown parameter in {sorted(body)}")
        fields = self._fields(name)
        select = body["select"].split(",")
        _require(all(fields[field].get("retrievable", True) for field in select), "a field is not retrievable")
        passes = parsed(body["filter"], fields) if self.filtering else bool
        documents = [document for document in self.documents[name].values() if passes(document)]
        found = list(self._found(name, body, documents))
        skip, top = body.get("skip", 0), body.get("top", len(found))
        page = found[skip : skip + min(top, self.page)]
        value = [{**scores, **{field: document.get(field) for field in select}} for scores, document in page]
        answer: Document = {"value": value}
        if len(page) < min(top, len(found) - skip):
            answer["@odata.nextLink"] = f"{self.address}/indexes('{name}')/docs/search.post.search"
            rest = {"skip": skip + len(page), "top": top - len(page)}
            answer["@search.nextPageParameters"] = {**body, **rest}
        return Answer(answer)

    def _found(self, name: str, body: Document, documents: list[Document]) -> Iterator[tuple[Document, Document]]:
        """Documents with their scores, best first."""
        if "vectorQueries" not in body:
            _require(body["search"] == "*" and self._fields(name)[body["orderby"]]["sortable"], "order")
            yield from (({"@search.score": 1.0}, it) for it in sorted(documents, key=lambda it: it[body["orderby"]]))
            return
        _require(not re.search(r"[-+|*()\"~]", body["search"]), "an operator that was not meant as one")
        words, (query,) = _words(body["search"]), body["vectorQueries"]
        _require(query["kind"] == "vector" and body["vectorFilterMode"] == "preFilter", "a vector, filtered before")
        _require(len(query["vector"]) == self._fields(name)[query["fields"]]["dimensions"], "dimensions")
        in_text = {it["key"]: float(len(words & _words(_text(it, body)))) for it in documents}
        cosines = {it["key"]: _cosine(query["vector"], it[query["fields"]]) for it in documents}
        fused = _fused([_best(in_text, len(documents)), _best(cosines, query["k"])])
        known = {it["key"]: it for it in documents}
        scored = [({"@search.score": fused[key]}, known[key]) for key in sorted(fused, key=lambda key: -fused[key])]
        if body.get("debug") == "vector":
            near = set(_best(cosines, query["k"]))
            scored = [({**scores, **_debug(cosines[it["key"]], it["key"] in near)}, it) for scores, it in scored]
        if body.get("queryType") == "semantic":
            scored = self._ranked(name, body, scored[:RANKED])
        yield from scored

    def _ranked(
        self, name: str, body: Document, scored: list[tuple[Document, Document]]
    ) -> list[tuple[Document, Document]]:
        configurations = self.indexes[name]["semantic"]["configurations"]
        _require(body["semanticConfiguration"] in [it["name"] for it in configurations], "no such configuration")
        words = _words(body["semanticQuery"])
        ranks = [4 * len(words & _words(_text(it, body))) / len(words) for _, it in scored]
        both = [
            ({**scores, "@search.rerankerScore": rank}, it) for rank, (scores, it) in zip(ranks, scored, strict=True)
        ]
        return sorted(both, key=lambda pair: -pair[0]["@search.rerankerScore"])


def parsed(text: str, fields: dict[str, Document]) -> Callable[[Document], bool]:
    """The two forms of a filter that are known; a quote within a literal is doubled."""
    if member := MEMBER.fullmatch(text):
        field, values, separators = member[1], member[2].replace("''", "'"), member[3]
        _require(fields[field].get("filterable") is True, f"{field} is not filterable")
        wanted = set(re.split(f"[{re.escape(separators)}]", values))
        return lambda document: bool(wanted & set(document[field]))
    if after := AFTER.fullmatch(text):
        field, value = after[1], after[2].replace("''", "'")
        _require(fields[field].get("filterable") is True, f"{field} is not filterable")
        return lambda document: document[field] > value
    raise RefusedError(f"Invalid expression: {text}")


def _debug(cosine: float, near: bool) -> Document:
    vectors = [{"vector": {"searchScore": 1 / (2 - cosine), "vectorSimilarity": cosine}}] if near else []
    return {"@search.documentDebugInfo": {"vectors": {"subscores": {"text": {"searchScore": 1.0}, "vectors": vectors}}}}


def _best(scores: dict[str, float], k: int) -> list[str]:
    return [key for key in sorted(scores, key=lambda key: (-scores[key], key)) if scores[key] > 0][:k]


def _fused(rankings: list[list[str]]) -> dict[str, float]:
    fused: dict[str, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking):
            fused[key] = fused.get(key, 0.0) + 1 / (FUSION + rank)
    return fused


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _text(document: Document, body: Document) -> str:
    return " ".join(document[field] for field in body["searchFields"].split(","))


def _cosine(one: list[float], other: list[float]) -> float:
    return float(np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))


def _require(fits: bool, rule: str) -> None:
    if not fits:
        raise RefusedError(rule)


def _error(status: int, code: str, message: str) -> Answer:
    return Answer({"error": {"code": code, "message": message}}, status)
