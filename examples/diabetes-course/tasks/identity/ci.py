"""The side of Azure DevOps: a service connection for each identity, and an environment with its variable group.

Azure DevOps decides with which issuer and subject a connection presents itself to Azure, so both are read from the
connection and never written by hand. The project is that of the remote `origin`, or AZURE_DEVOPS_PROJECT_URL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import yaml

from .cloud import Federation, Identity, Place, Role
from .ledger import Ledger
from .service import CloudError, Json, MissingError, Service, azure_sign_in, remote

NAMES = Path(".azuredevops/templates/names.yml")
# The resource that a sign-in to Azure DevOps is for, the same in every organisation.
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
API = {"api-version": "7.1"}
PREVIEW = {"api-version": "7.1-preview.1"}
SSH = re.compile(r"(?:ssh://)?git@ssh\.dev\.azure\.com:(?:22/)?v3/([^/]+)/([^/]+)/[^/]+")
HTTPS = re.compile(r"https://(?:[^/@]+@)?(.+?)/_git/[^/]+")


class Ci:
    """A project in Azure DevOps."""

    def __init__(self, organization: str, devops_project: str) -> None:
        names = yaml.safe_load(NAMES.read_text("utf-8"))["variables"]
        self.project = str(next(variable["value"] for variable in names if variable["name"] == "project"))
        self.devops_project = devops_project
        self.service = Service(
            "Azure DevOps",
            organization,
            azure_sign_in(SCOPE),
            f"Sign in as an administrator of the project {devops_project} (az login). What was made stays.",
        )
        self.path = f"{quote(devops_project)}/_apis"

    def connect(self, ledger: Ledger, place: Place, role: Role, identity: Identity | None) -> Federation | None:
        """A service connection for an identity and, for deployments, the environment and its variables.

        Returns whom the identity is to trust; None when the connection is not there yet and nothing may be made.

        Raises:
            CloudError: Azure DevOps refuses.
        """
        name = f"{self.project}-{role.environment}"
        connection = self._connection(ledger, place, name, identity)
        if role.deploys:
            self._group(ledger, name, place.group)
            self._environment(ledger, name)
        if connection is None:
            return None
        told = connection["authorization"]["parameters"]
        issuer, subject = (told.get(f"workloadIdentityFederation{part}") for part in ("Issuer", "Subject"))
        if not issuer or not subject:
            raise MissingError(f"service connection {name} does not tell its subject: delete it and run this again")
        return Federation("azure-devops", issuer, subject)

    def variables(self, place: Place, roles: dict[str, Role]) -> Iterator[tuple[str, str, str | None]]:
        """Every variable of the environment's group, as place, name and value; None for a secret, which nobody sees.

        Raises:
            CloudError: Azure DevOps refuses.
        """
        del roles
        name = f"{self.project}-{place.environment}"
        for variable, told in ((self._find_group(name) or {}).get("variables") or {}).items():
            yield name, variable, None if told.get("isSecret") else str(told.get("value") or "")

    def _connection(self, ledger: Ledger, place: Place, name: str, identity: Identity | None) -> Json | None:
        """The connection that signs in as an identity, by federation: it holds a client id and no secret."""
        parameters = {"tenantid": place.tenant, "serviceprincipalid": identity.client} if identity else {}
        signs_in: Json = {"scheme": "WorkloadIdentityFederation", "parameters": parameters}
        endpoints = f"{self.path}/serviceendpoint/endpoints"

        def write(found: Json | None) -> Json:
            folder = "_apis/serviceendpoint/endpoints"
            if found is None:
                made = self.service.send("POST", folder, self._body(place, name, signs_in), API)
            else:
                told = found["authorization"]
                authorization = {**signs_in, "parameters": {**told["parameters"], **signs_in["parameters"]}}
                made = self.service.send(
                    "PUT", f"{folder}/{found['id']}", {**found, "authorization": authorization}, API
                )
            # Issuer and subject are there once it is made.
            return self.service.get(f"{endpoints}/{made['id']}", API) or made

        def find() -> Json | None:
            found = next(self.service.items(endpoints, {**API, "endpointNames": name}), None)
            return found and self.service.get(f"{endpoints}/{found['id']}", API)

        return ledger.keep(f"service connection {name}", find, {"authorization": signs_in}, write)

    def _body(self, place: Place, name: str, signs_in: Json) -> Json:
        """A new connection to the subscription."""
        project = {"id": self._project_id(), "name": self.devops_project}
        return {
            "name": name,
            "type": "azurerm",
            "url": f"{place.resource_manager}/",
            "authorization": signs_in,
            "data": {
                "environment": place.cloud,
                "scopeLevel": "Subscription",
                "subscriptionId": place.subscription,
                "subscriptionName": place.subscription_name,
                "creationMode": "Manual",
            },
            "isShared": False,
            "serviceEndpointProjectReferences": [{"name": name, "projectReference": project}],
        }

    def _group(self, ledger: Ledger, name: str, resource_group: str) -> None:
        """The variables of an environment, which no pipeline may read until somebody permits it."""
        wanted = {"AZURE_RESOURCE_GROUP": {"value": resource_group}}

        def write(found: Json | None) -> Json:
            reference = {"name": name, "projectReference": {"id": self._project_id(), "name": self.devops_project}}
            body = {
                "name": name,
                "type": "Vsts",
                "variables": {**((found or {}).get("variables") or {}), **wanted},
                "variableGroupProjectReferences": [reference],
            }
            folder = "_apis/distributedtask/variablegroups"
            if found is None:
                return self.service.send("POST", folder, body, API)
            return self.service.send("PUT", f"{folder}/{found['id']}", body, API)

        ledger.keep(f"variable group {name}", lambda: self._find_group(name), {"variables": wanted}, write)

    def _find_group(self, name: str) -> Json | None:
        query = {**API, "groupName": name}
        return next(self.service.items(f"{self.path}/distributedtask/variablegroups", query), None)

    def _environment(self, ledger: Ledger, name: str) -> None:
        """The environment. A run would make a missing one by itself, without checks."""
        path = f"{self.path}/distributedtask/environments"

        def find() -> Json | None:
            return next(
                (one for one in self.service.items(path, {**PREVIEW, "name": name}) if one["name"] == name), None
            )

        def write(_: Json | None) -> Json:
            return self.service.send("POST", path, {"name": name}, PREVIEW)

        ledger.keep(f"environment {name}", find, {}, write)

    def _project_id(self) -> str:
        """The id of the project, as connections and groups refer to it."""
        found = self.service.get(f"_apis/projects/{quote(self.devops_project)}", API)
        if found is None:
            raise CloudError(f"Azure DevOps shows no project {self.devops_project}: {self.service.mend}")
        return str(found["id"])


def here() -> Ci:
    """The project of this repository in Azure DevOps.

    Raises:
        CloudError: the repository is not in Azure DevOps.
    """
    address = os.environ.get("AZURE_DEVOPS_PROJECT_URL")
    if address is None:
        address = remote()
        if known := SSH.fullmatch(address):
            address = f"https://dev.azure.com/{known[1]}/{known[2]}"
        elif known := HTTPS.fullmatch(address):
            address = f"https://{known[1]}"
        else:
            raise CloudError(
                f"{address} is not in Azure DevOps: set AZURE_DEVOPS_PROJECT_URL=https://dev.azure.com/<organization>/<project>"
            )
    organization, _, project = address.rstrip("/").rpartition("/")
    return Ci(organization, unquote(project))
