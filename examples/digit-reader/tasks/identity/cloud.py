"""What CI needs in Azure, the same for every platform: groups, identities, whom they trust, and what they may do.

Two identities an environment. The planner reads, and asks what a deployment would change. The deployer is Contributor,
may write locks, and may assign the roles of rights.json and no others, so that it cannot make itself an Owner. The
identities live in a group of their own, where the deployer cannot change who may sign in as it.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import parameters
from .ledger import Ledger, State, holds
from .service import CloudError, Json, MissingError, Service, az, azure_sign_in

RIGHTS = Path(__file__).with_name("rights.json")

RESOURCES = "2021-04-01"
IDENTITIES = "2023-01-31"
AUTHORIZATION = "2022-04-01"

AUDIENCE = "api://AzureADTokenExchange"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
RBAC_ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
BLOB_WRITER = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
PLANS = ["*/read", "Microsoft.Resources/deployments/whatIf/action", "Microsoft.Resources/deployments/validate/action"]
WRITES_LOCKS = ["Microsoft.Authorization/locks/read", "Microsoft.Authorization/locks/write"]
# Azure tells its regions one after the other of a new identity, role or provider: how often to ask, and each how many
# seconds.
TIMES, PAUSE = 60, 5
NOT_YET = {"MissingSubscriptionRegistration", "PrincipalNotFound", "RoleDefinitionDoesNotExist"}
GROUP_NAME = re.compile(r"[\w.()-]{1,90}")


class Role(NamedTuple):
    """What CI does with an identity."""

    environment: str
    deploys: bool


class Identity(NamedTuple):
    """A user-assigned identity: whom a sign-in names, and who gets roles."""

    client: str
    principal: str


class Federation(NamedTuple):
    """Whom an identity trusts, in the words of the CI system."""

    name: str
    issuer: str
    subject: str


@dataclass(frozen=True)
class Place:
    """Where an environment lies."""

    environment: str
    cloud: str
    resource_manager: str
    subscription: str
    subscription_name: str
    tenant: str
    group: str
    identity_group: str
    location: str

    @property
    def root(self) -> str:
        """The subscription, as Azure writes it in ids."""
        return f"/subscriptions/{self.subscription}"

    @property
    def scope(self) -> str:
        """The resource group, as Azure writes it in ids."""
        return f"{self.root}/resourceGroups/{self.group}"


def chosen() -> tuple[str, str]:
    """The environment and its resource group, from ENVIRONMENT and AZURE_RESOURCE_GROUP.

    Raises:
        CloudError: one of them is missing or malformed, or no parameter file is called so.
    """
    environment = os.environ.get("ENVIRONMENT") or "dev"
    group = os.environ.get("AZURE_RESOURCE_GROUP", "")
    file = parameters.file(environment)
    if not file.is_file():
        raise CloudError(f"ENVIRONMENT is {environment}: there is no {file.as_posix()}")
    if not group:
        raise CloudError(f"AZURE_RESOURCE_GROUP is not set: export the name of the resource group of {environment}")
    if not GROUP_NAME.fullmatch(group):
        raise CloudError(f"AZURE_RESOURCE_GROUP is no name of a resource group: {group}")
    return environment, group


def place() -> Place:
    """Where things are to be, by the variables, the parameter file and the sign-in.

    Raises:
        CloudError: a variable is missing, or nobody is signed in.
    """
    environment, group = chosen()
    location = values(environment).get("location")
    if not location:
        raise CloudError(f"{parameters.file(environment).as_posix()} gives no location")
    subscription = os.environ.get("AZURE_SUBSCRIPTION_ID")
    account = az("account", "show", *(("--subscription", subscription) if subscription else ()))
    return Place(
        environment=environment,
        cloud=account["environmentName"],
        resource_manager=az("cloud", "show")["endpoints"]["resourceManager"].rstrip("/"),
        subscription=account["id"],
        subscription_name=account["name"],
        tenant=account["tenantId"],
        group=group,
        identity_group=os.environ.get("AZURE_IDENTITY_GROUP") or f"{group}-identities",
        location=location,
    )


def values(environment: str) -> Json:
    """What the infrastructure of an environment is given, by name.

    Raises:
        CloudError: a file is missing, or is none.
    """
    try:
        return parameters.read(environment)
    except (OSError, ValueError, KeyError) as error:
        raise CloudError(f"{parameters.file(environment).as_posix()} cannot be read: {error}") from error


def rights() -> Json:
    """What the platform decides: providers, roles that a deployment assigns, further actions of the deployer."""
    loaded: Json = json.loads(RIGHTS.read_text("utf-8"))
    return loaded


def condition(roles: list[str]) -> str:
    """The condition that lets the deployer assign and take away these roles only."""
    listed, assignments = ", ".join(roles), "Microsoft.Authorization/roleAssignments"
    return (
        f"((!(ActionMatches{{'{assignments}/write'}})) OR "
        f"(@Request[{assignments}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{listed}}})) AND "
        f"((!(ActionMatches{{'{assignments}/delete'}})) OR "
        f"(@Resource[{assignments}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{listed}}}))"
    )


def patiently(write: Callable[[], Json]) -> Json:
    """Write something that names what was made a moment ago, as soon as Azure knows that.

    Raises:
        CloudError: Azure refuses for another reason, or takes minutes.
    """
    for _ in range(TIMES):
        try:
            return write()
        except CloudError as error:
            if error.code not in NOT_YET:
                raise
            time.sleep(PAUSE)
    return write()


class Azure:
    """Azure Resource Manager, at one place."""

    def __init__(self, where: Place, ledger: Ledger) -> None:
        self.place = where
        self.ledger = ledger
        self.service = Service(
            "Azure",
            where.resource_manager,
            azure_sign_in(f"{where.resource_manager}/.default"),
            "Sign in as an Owner of the subscription (az login), or ask one to run this. What was made stays.",
        )

    def groups(self) -> None:
        """The providers of the subscription, the resource group, and the group for identities.

        Raises:
            CloudError: Azure refuses.
        """
        for name in rights()["providers"]:
            self._provider(name)
        for name in (self.place.group, self.place.identity_group):
            path = f"{self.place.root}/resourcegroups/{name}"
            # Where an existing group lies cannot be changed, so it is not compared.
            self._keep(f"resource group {name}", path, {"location": self.place.location}, RESOURCES, compare={})

    def identity(self, name: str) -> Identity | None:
        """An identity; None when it is not there yet and nothing may be made.

        Raises:
            CloudError: Azure refuses.
        """
        wanted = {"location": self.place.location}
        found = self._keep(f"identity {name}", self._identities(name), wanted, IDENTITIES, compare={})
        return Identity(found["properties"]["clientId"], found["properties"]["principalId"]) if found else None

    def principals(self) -> set[str]:
        """The object ids of all identities in the group for them.

        Raises:
            CloudError: Azure refuses.
        """
        found = self.service.items(self._identities(), {"api-version": IDENTITIES})
        return {identity["properties"]["principalId"] for identity in found}

    def trust(self, name: str, federation: Federation | None) -> None:
        """Let CI sign in as an identity, when it presents itself with exactly this issuer and subject.

        Raises:
            CloudError: Azure refuses.
        """
        if federation is None:
            self.ledger.note(f"federated credential of {name}, as its connection will present itself", State.MISSING)
            return
        folder = f"{self._identities(name)}/federatedIdentityCredentials"
        wanted = {"issuer": federation.issuer, "subject": federation.subject, "audiences": [AUDIENCE]}

        def find() -> Json | None:
            known = list(self.service.items(folder, {"api-version": IDENTITIES}))
            same = [one for one in known if holds(one["properties"], wanted)]
            return next(iter(same + [one for one in known if one["name"] == federation.name]), None)

        def write(_: Json | None) -> Json:
            path, body = f"{folder}/{federation.name}", {"properties": wanted}
            return self.service.send("PUT", path, body, {"api-version": IDENTITIES})

        what = f"federated credential of {name}: {federation.subject}"
        self.ledger.keep(what, find, {"properties": wanted}, write)

    def rights(self, planner: Identity | None, deployer: Identity | None) -> None:
        """The roles of our own, and who has which role.

        Raises:
            CloudError: Azure refuses, or the account for Terraform's state is not there.
        """
        group, scope, root = self.place.group, self.place.scope, self.place.root
        plans = self._own_role(f"Deployment planner of {group}", PLANS, scope)
        locks = self._own_role(f"Lock writer of {group}", WRITES_LOCKS, scope)
        further = [(role, self._own_role(f"{role['name']} {group}", role["actions"], root)) for role in self._further()]
        self._grant("planner", planner, f"Deployment planner of {group}", plans, scope)
        self._grant("deployer", deployer, "Contributor", CONTRIBUTOR, scope)
        self._grant("deployer", deployer, f"Lock writer of {group}", locks, scope)
        for role, known in further:
            self._grant("deployer", deployer, f"{role['name']} {group}", known, root)
        bound = condition(list(rights()["grantable_roles"]))
        name = "Role Based Access Control Administrator"
        self._grant("deployer", deployer, name, RBAC_ADMINISTRATOR, scope, bound)
        self._state(planner, deployer)

    def _further(self) -> list[Json]:
        """Roles of our own that the platform needs on the subscription."""
        found: list[Json] = rights()["subscription_roles"]
        return found

    def _state(self, planner: Identity | None, deployer: Identity | None) -> None:
        """Read and write the state of the infrastructure, where its language keeps one."""
        given = values(self.place.environment)
        account = given.get("state_account")
        if not account:
            return
        only = f"resourceType eq 'Microsoft.Storage/storageAccounts' and name eq '{account}'"
        query = {"api-version": RESOURCES, "$filter": only}
        found = next(self.service.items(f"{self.place.root}/resources", query), None)
        if found is None:
            raise MissingError(
                f"storage account {account} is not in this subscription: docs/infra.md tells how to make it"
            )
        scope = f"{found['id']}/blobServices/default/containers/{given['state_container']}"
        self._grant("planner", planner, "Storage Blob Data Reader", BLOB_READER, scope)
        self._grant("deployer", deployer, "Storage Blob Data Contributor", BLOB_WRITER, scope)

    def _identities(self, name: str = "") -> str:
        """The path of an identity, or of all in the group for them."""
        group = f"{self.place.root}/resourceGroups/{self.place.identity_group}"
        return f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities{name and f'/{name}'}"

    def _keep(self, what: str, path: str, wanted: Json, version: str, compare: Json) -> Json | None:
        """Something that has a path of its own in Azure."""
        query = {"api-version": version}
        return self.ledger.keep(
            what,
            lambda: self.service.get(path, query),
            compare,
            lambda _: patiently(lambda: self.service.send("PUT", path, wanted, query)),
        )

    def _provider(self, name: str) -> None:
        """Let the subscription know a provider. Azure then takes minutes, which only identities wait for."""
        path, query = f"{self.place.root}/providers/{name}", {"api-version": RESOURCES}

        def find() -> Json | None:
            found = self.service.get(path, query)
            return found if found and found["registrationState"] in {"Registered", "Registering"} else None

        def write(_: Json | None) -> Json:
            return self.service.send("POST", f"{path}/register", query=query)

        self.ledger.keep(f"provider {name}", find, {}, write)

    def _own_role(self, name: str, actions: list[str], scope: str) -> str | None:
        """A role of our own that can be given in one place only; its id, or None when it is not there yet."""
        folder, query = f"{scope}/providers/Microsoft.Authorization/roleDefinitions", {"api-version": AUTHORIZATION}
        made = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}/{name}".casefold()))

        def find() -> Json | None:
            known = self.service.items(folder, {**query, "$filter": f"roleName eq '{name}'"})
            return next(({"name": one["name"], **one["properties"]["permissions"][0]} for one in known), None)

        def write(found: Json | None) -> Json:
            properties = {
                "roleName": name,
                "description": name,
                "type": "CustomRole",
                "permissions": [{"actions": actions, "notActions": []}],
                "assignableScopes": [scope],
            }
            path = f"{folder}/{found['name'] if found else made}"
            return self.service.send("PUT", path, {"properties": properties}, query)

        found = self.ledger.keep(f"role definition {name}", find, {"actions": actions}, write)
        return found["name"] if found else None

    def _grant(
        self, who: str, identity: Identity | None, name: str, role: str | None, scope: str, bound: str | None = None
    ) -> None:
        """Give an identity a role, under a condition where there is one."""
        folder, query = f"{scope}/providers/Microsoft.Authorization/roleAssignments", {"api-version": AUTHORIZATION}
        wanted: Json = {"condition": bound, "conditionVersion": "2.0"} if bound else {}

        where = scope.rsplit("/", 1)[1] if scope != self.place.root else "the subscription"
        what = f"role {name} for the {who} on {where}"
        if identity is None or role is None:
            self.ledger.note(what, State.MISSING)
            return

        def find() -> Json | None:
            for one in self.service.items(folder, {**query, "$filter": f"principalId eq '{identity.principal}'"}):
                given = [one["properties"][name].casefold() for name in ("scope", "roleDefinitionId")]
                if given[0] == scope.casefold() and given[1].endswith(role):
                    return one
            return None

        def write(found: Json | None) -> Json:
            properties = {
                "roleDefinitionId": f"{self.place.root}/providers/Microsoft.Authorization/roleDefinitions/{role}",
                "principalId": identity.principal,
                "principalType": "ServicePrincipal",
                **wanted,
            }
            # The same name in every run, so that a run that was cut off cannot give it twice.
            made = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}/{role}/{identity.principal}".casefold())
            path = f"{folder}/{found['name'] if found else made}"
            return patiently(lambda: self.service.send("PUT", path, {"properties": properties}, query))

        self.ledger.keep(what, find, {"properties": wanted} if wanted else {}, write)
