"""What Databricks answers an administrator: Unity Catalog's objects, identities, cluster policies, and the account.

On top of databricks_stub.py. The account's paths begin with /api/<version>/accounts/<id>. Of the service's rules it
knows that a name is given once, and that what is isolated is hidden from a workspace that it is not bound to.
"""

from __future__ import annotations

import re
from typing import Any

from databricks_stub import Answer, Databricks, Request, missing, refusal

# Of the workspace, as the stub tells it.
NUMBER = 1
ACCOUNT = "00000000-0000-0000-0000-0000000000aa"
REGION = "westeurope"
UNITY = r"/api/2\.1/unity-catalog"
KINDS = {
    "storage-credentials": "storage_credential",
    "external-locations": "external_location",
    "catalogs": "catalog",
}
Entry = dict[str, Any]


class Administration:
    """The state."""

    def __init__(self, databricks: Databricks) -> None:
        self.databricks = databricks
        # Unity Catalog's objects by type and name, the workspaces they are bound to, the grants on catalogs.
        self.objects: dict[tuple[str, str], Entry] = {}
        self.bindings: dict[tuple[str, str], list[int]] = {}
        self.grants: dict[str, dict[str, list[str]]] = {}
        self.identities: list[Entry] = []
        self.policies: list[Entry] = []
        # Who may use them: pairs of who and level.
        self.users: list[tuple[str, str]] = []
        # Of the account.
        self.federation: list[Entry] = []
        self.budgets: list[Entry] = []
        self.networks: list[Entry] = []
        self.endpoints: list[Entry] = []
        self.attached = ""
        self._route()

    def _route(self) -> None:
        kinds = f"({'|'.join(KINDS)})"
        account = rf"/api/2\.[01]/accounts/{ACCOUNT}"
        network = rf"{account}/network-connectivity-configs"
        for method, pattern, handler in (
            ("GET", rf"{UNITY}/{kinds}", self._list),
            ("POST", rf"{UNITY}/{kinds}", self._make),
            ("PATCH", rf"{UNITY}/{kinds}/(.+)", self._isolate),
            ("GET", rf"{UNITY}/bindings/(\w+)/(.+)", self._bound),
            ("PATCH", rf"{UNITY}/bindings/(\w+)/(.+)", self._bind),
            ("GET", rf"{UNITY}/permissions/catalog/(.+)", self._granted),
            ("PATCH", rf"{UNITY}/permissions/catalog/(.+)", self._grant),
            ("GET", rf"{UNITY}/metastore_summary", lambda *_: Answer(body={"region": REGION})),
            ("GET", r"/api/2\.0/preview/scim/v2/Me", lambda *_: Answer(body={"userName": "jane@example.com"})),
            ("GET", r"/api/2\.0/preview/scim/v2/ServicePrincipals", self._known),
            ("POST", r"/api/2\.0/preview/scim/v2/ServicePrincipals", self._let_in),
            ("GET", r"/api/2\.0/policies/clusters/list", lambda *_: Answer(body={"policies": self.policies})),
            ("POST", r"/api/2\.0/policies/clusters/create", self._make_policy),
            ("POST", r"/api/2\.0/policies/clusters/edit", self._edit_policy),
            ("GET", r"/api/2\.0/permissions/cluster-policies/(.+)", self._allowed),
            ("PATCH", r"/api/2\.0/permissions/cluster-policies/(.+)", self._allow),
            ("GET", rf"{account}/scim/v2/ServicePrincipals", self._known),
            ("GET", rf"{account}/servicePrincipals/7/federationPolicies", self._trusted),
            ("POST", rf"{account}/servicePrincipals/7/federationPolicies", self._trust),
            ("GET", rf"{account}/budgets", lambda *_: Answer(body={"budgets": self.budgets})),
            ("POST", rf"{account}/budgets", self._make_budget),
            ("PUT", rf"{account}/budgets/(.+)", self._edit_budget),
            ("GET", rf"{account}/workspaces/{NUMBER}", self._workspace),
            ("PATCH", rf"{account}/workspaces/{NUMBER}", self._attach),
            ("GET", network, lambda *_: Answer(body={"items": self.networks})),
            ("POST", network, self._make_network),
            ("GET", rf"{network}/(.+)/private-endpoint-rules", lambda *_: Answer(body={"items": self.endpoints})),
            ("POST", rf"{network}/(.+)/private-endpoint-rules", self._make_endpoint),
        ):
            self.databricks.route(method, pattern)(handler)

    def writes(self) -> list[str]:
        """The requests that would change something."""
        return [f"{one.method} {one.path}" for one in self.databricks.requests if one.method not in ("GET", "HEAD")]

    # --- Unity Catalog

    def _list(self, request: Request, match: re.Match[str]) -> Answer:
        kind = KINDS[match[1]]
        listed = {name: entry for (of, name), entry in self.objects.items() if of == kind}
        hidden = {
            name
            for name, entry in listed.items()
            if entry["isolation_mode"].endswith("ISOLATED") and NUMBER not in self.bindings.get((kind, name), [])
        }
        if request.query.get("include_unbound") == "true":
            hidden = set()
        shown = [entry for name, entry in listed.items() if name not in hidden]
        return Answer(body={match[1].replace("-", "_"): shown})

    def _make(self, request: Request, match: re.Match[str]) -> Answer:
        key = KINDS[match[1]], request.json["name"]
        if key in self.objects:
            return refusal(400, f"{key[0].upper()}_ALREADY_EXISTS", f"{key[0]} '{key[1]}' already exists")
        opened = "OPEN" if key[0] == "catalog" else "ISOLATION_MODE_OPEN"
        self.objects[key] = {**request.json, "isolation_mode": opened}
        return Answer(body=self.objects[key])

    def _isolate(self, request: Request, match: re.Match[str]) -> Answer:
        entry = self.objects[KINDS[match[1]], match[2]]
        entry |= request.json
        return Answer(body=entry)

    def _bound(self, _: Request, match: re.Match[str]) -> Answer:
        found = self.bindings.get((match[1], match[2]), [])
        return Answer(body={"bindings": [{"workspace_id": number} for number in found]})

    def _bind(self, request: Request, match: re.Match[str]) -> Answer:
        added = [binding["workspace_id"] for binding in request.json["add"]]
        self.bindings.setdefault((match[1], match[2]), []).extend(added)
        return self._bound(request, match)

    def _granted(self, request: Request, match: re.Match[str]) -> Answer:
        if ("catalog", match[1]) not in self.objects:
            return missing(f"Catalog '{match[1]}'")
        who = request.query["principal"]
        rights = self.grants.get(match[1], {}).get(who)
        return Answer(body={"privilege_assignments": [{"principal": who, "privileges": rights}] if rights else []})

    def _grant(self, request: Request, match: re.Match[str]) -> Answer:
        for change in request.json["changes"]:
            self.grants.setdefault(match[1], {}).setdefault(change["principal"], []).extend(change["add"])
        return Answer(body={"privilege_assignments": []})

    # --- identities and cluster policies

    def _known(self, request: Request, _: re.Match[str]) -> Answer:
        wanted = request.query["filter"].split('"')[1]
        found = [identity for identity in self.identities if identity["applicationId"] == wanted]
        page = found if request.query.get("startIndex", "1") == "1" else []
        return Answer(body={"Resources": page, "totalResults": len(found)})

    def _let_in(self, request: Request, _: re.Match[str]) -> Answer:
        self.identities.append({**request.json, "id": "7"})
        return Answer(201, self.identities[-1])

    def _make_policy(self, request: Request, _: re.Match[str]) -> Answer:
        self.policies.append({**request.json, "policy_id": f"P{len(self.policies)}"})
        return Answer(body={"policy_id": self.policies[-1]["policy_id"]})

    def _edit_policy(self, request: Request, _: re.Match[str]) -> Answer:
        self.policies = [one for one in self.policies if one["policy_id"] != request.json["policy_id"]] + [request.json]
        return Answer(body={})

    def _allowed(self, *_: object) -> Answer:
        listed = [{kind: who, "all_permissions": [{"permission_level": "CAN_USE"}]} for kind, who in self.users]
        return Answer(body={"access_control_list": listed})

    def _allow(self, request: Request, _: re.Match[str]) -> Answer:
        for entry in request.json["access_control_list"]:
            self.users += [(kind, who) for kind, who in entry.items() if kind != "permission_level"]
        return self._allowed()

    # --- the account

    def _trusted(self, *_: object) -> Answer:
        return Answer(body={"policies": self.federation})

    def _trust(self, request: Request, _: re.Match[str]) -> Answer:
        self.federation.append(request.json)
        return Answer(body=request.json)

    def _make_budget(self, request: Request, _: re.Match[str]) -> Answer:
        self.budgets.append({**request.json["budget"], "budget_configuration_id": f"B{len(self.budgets)}"})
        return Answer(body={"budget": self.budgets[-1]})

    def _edit_budget(self, request: Request, match: re.Match[str]) -> Answer:
        others = [one for one in self.budgets if one["budget_configuration_id"] != match[1]]
        self.budgets = [*others, request.json["budget"]]
        return Answer(body=request.json)

    def _workspace(self, *_: object) -> Answer:
        return Answer(body={"workspace_id": NUMBER, "network_connectivity_config_id": self.attached or None})

    def _attach(self, request: Request, _: re.Match[str]) -> Answer:
        self.attached = request.json["network_connectivity_config_id"]
        return self._workspace()

    def _make_network(self, request: Request, _: re.Match[str]) -> Answer:
        self.networks.append({**request.json, "network_connectivity_config_id": f"N{len(self.networks)}"})
        return Answer(body=self.networks[-1])

    def _make_endpoint(self, request: Request, _: re.Match[str]) -> Answer:
        made = {"connection_state": "PENDING", "endpoint_name": f"pe-{len(self.endpoints)}"}
        self.endpoints.append({**request.json, **made})
        return Answer(body=self.endpoints[-1])
