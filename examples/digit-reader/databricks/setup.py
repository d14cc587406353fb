"""Prepares a Databricks workspace, once an environment: what is no resource of Azure and cannot be in the bundle.

Each thing is looked for, made where it is absent, and changed where it differs from what this project says. Nothing is
removed and nobody loses a right: what others granted, bound or allowed stays. So it can break off anywhere and be run
again. account.py makes what is not in the workspace but in the account.

Run: uv run poe platform-setup --dry-run      (tells what it would do, and does nothing)
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import submit
import typer
import yaml
from account import Account, Federation, connect
from pydantic import Field, ValidationError
from steps import Steps, check_place, equal, needing

from digit_reader import NAME
from digit_reader.errors import InputError
from digit_reader.registry import explained
from digit_reader.settings import Block

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

Made = TypeVar("Made")
PROJECT = Path(__file__).resolve().parents[1]
# Only a private project plans addresses.
PRIVATE = PROJECT / "infra" / "network.json"
# Both names of the access mode with which one user, or one job, has a cluster for itself.
SINGLE_USER = ["SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


# --- what is asked -------------------------------------------------------------------------------------------------


class Clusters(Block):
    """What a cluster of one's own may be."""

    tags: dict[str, str]
    node_types: list[str] = Field(min_length=1)
    idle_minutes: int = Field(ge=10, le=30)


class Environment(Block):
    """What one environment gets."""

    deployers: str = ""
    readers: str = ""
    budget: float = Field(0, ge=0)
    reach: dict[str, list[str]] = Field(default_factory=dict)


class Asked(Block):
    """databricks/setup.yml."""

    clusters: Clusters
    budget_emails: list[str]
    environments: dict[str, Environment]


def read_asked(file: Path) -> Asked:
    """What the project asks for.

    Raises:
        InputError: the file is absent, or says what nobody reads.
    """
    try:
        return Asked.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InputError(f"{file}: {said}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"cannot read {file}: {error}") from error


def read_outputs(text: str) -> dict[str, str]:
    """The names that `poe infra-outputs` prints, one name=value a line; poe hands them on between blanks.

    Raises:
        InputError: one of those that are needed is missing.
    """
    pairs = (word.partition("=") for word in text.split())
    found = {name: value for name, equals, value in pairs if equals and value}
    needed = ("workspace_url", "catalog_storage_url", "access_connector_id", "storage_account_name")
    missing = [name for name in needed if name not in found]
    if missing:
        raise InputError(f"the infrastructure tells no {', '.join(missing)}: deploy it first, see docs/infra.md")
    return found


def storage_id(made: Mapping[str, str]) -> str:
    """The resource id of the catalog's storage account, which is in the group of the access connector."""
    group = made["access_connector_id"].partition("/providers/")[0]
    return f"{group}/providers/Microsoft.Storage/storageAccounts/{made['storage_account_name']}"


def catalog_name() -> str:
    """The catalog of the target, as databricks.yml says."""
    text = (PROJECT / "databricks.yml").read_text(encoding="utf-8")
    return str(yaml.safe_load(text)["targets"][submit.target()]["variables"]["catalog"])


def cluster_rules(asked: Clusters, environment: str) -> dict[str, Any]:
    """The definition of the cluster policy. What is fixed fills itself in, so that nobody need write it."""
    nodes = {"type": "allowlist", "values": asked.node_types, "defaultValue": asked.node_types[0]}
    tags = {**asked.tags, "environment": environment}
    return {
        "data_security_mode": {"type": "allowlist", "values": SINGLE_USER, "defaultValue": SINGLE_USER[0]},
        "node_type_id": nodes,
        "driver_node_type_id": {**nodes, "isOptional": True},
        # A pool brings machines of its own.
        "instance_pool_id": {"type": "forbidden"},
        "driver_instance_pool_id": {"type": "forbidden"},
        "autotermination_minutes": {"type": "fixed", "value": asked.idle_minutes},
        **{f"custom_tags.{name}": {"type": "fixed", "value": value} for name, value in tags.items()},
    }


# --- in the workspace ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inside:
    """What an administrator of the workspace and of its metastore does.

    Args:
        there: the workspace.
        steps: how to make things.
        environment: its name, which is the target's.
        number: the id of the workspace.
    """

    there: WorkspaceClient
    steps: Steps
    environment: str
    number: int

    @property
    def name(self) -> str:
        """The name of all that is made here, except the catalog."""
        return f"{NAME}_{self.environment}"

    def ensure_catalog(self, made: Mapping[str, str]) -> str:
        """Let Unity Catalog keep the environment's catalog in the infrastructure's storage, for this workspace only.

        Raises:
            InputError: something of that name leads to another storage.
        """
        from databricks.sdk.service.catalog import (
            AzureManagedIdentityRequest,
            CatalogInfo,
            CatalogIsolationMode,
            ExternalLocationInfo,
            IsolationMode,
            StorageCredentialInfo,
        )

        credentials, locations = self.there.storage_credentials, self.there.external_locations
        catalogs, catalog, name = self.there.catalogs, catalog_name(), self.name
        url, connector = made["catalog_storage_url"], made["access_connector_id"]
        # The catalog has a folder of its own: two of them in one place would be refused.
        root = f"{url.rstrip('/')}/{catalog}"
        alone = IsolationMode.ISOLATION_MODE_ISOLATED
        # No way leads to private storage before its endpoints are approved.
        unseen = PRIVATE.is_file() or None

        def connects(credential: StorageCredentialInfo) -> str | None:
            identity = credential.azure_managed_identity
            return identity.access_connector_id if identity else None

        def make_credential() -> StorageCredentialInfo:
            identity = AzureManagedIdentityRequest(connector)
            return credentials.create(name, azure_managed_identity=identity, skip_validation=unseen)

        def make_location() -> ExternalLocationInfo:
            return locations.create(name, url, name, skip_validation=unseen)

        def make_catalog() -> CatalogInfo:
            return catalogs.create(catalog, storage_root=root, comment=f"Models and rows, {self.environment}")

        credential = self._ensure("storage_credential", name, credentials, make_credential)
        check_place(f"storage credential {name}", connects(credential) if credential else connector, connector)
        self._close("storage_credential", name, credential, lambda: credentials.update(name, isolation_mode=alone))

        location = self._ensure("external_location", name, locations, make_location)
        check_place(f"external location {name}", location.url if location else url, url)
        self._close("external_location", name, location, lambda: locations.update(name, isolation_mode=alone))

        found = self._ensure("catalog", catalog, catalogs, make_catalog)
        if found and not equal(found.storage_root, root):
            submit.say(f"  another project's, as it lies in {found.storage_root}: who sees it is left alone")
            return catalog
        only = CatalogIsolationMode.ISOLATED
        self._close("catalog", catalog, found, lambda: catalogs.update(catalog, isolation_mode=only))
        return catalog

    def _ensure(self, kind: str, name: str, api: Any, make: Callable[[], Made]) -> Made | None:
        """What has the name, also where it is bound to other workspaces only."""
        found = next((one for one in api.list(include_unbound=True, max_results=0) if one.name == name), None)
        return self.steps.ensure(f"{kind.replace('_', ' ')} {name}", found, make)

    def _close(self, kind: str, name: str, found: Any, isolate: Callable[[], object]) -> None:
        """Let this workspace use it, then no other: what is isolated and bound to none is out of everybody's reach."""
        from databricks.sdk.service.catalog import WorkspaceBinding, WorkspaceBindingBindingType

        bindings = self.there.workspace_bindings
        bound = found and any(int(one.workspace_id) == self.number for one in bindings.get_bindings(kind, name))
        closed = found and found.isolation_mode is not None and found.isolation_mode.value.endswith("ISOLATED")
        here = WorkspaceBinding(self.number, WorkspaceBindingBindingType.BINDING_TYPE_READ_WRITE)
        bind = partial(bindings.update_bindings, kind, name, add=[here])
        self.steps.hold("  its binding to this workspace", bool(bound), bind)
        self.steps.hold("  its isolation from other workspaces", bool(closed), isolate, "switched on")

    def ensure_identity(self, identity: str) -> None:
        """Let CI's identity in Entra be a user of the workspace."""
        from databricks.sdk.service.iam import ComplexValue

        principals = self.there.service_principals_v2
        found = next(iter(principals.list(filter=f'applicationId eq "{identity}"')), None)
        access = [ComplexValue(value="workspace-access")]
        self.steps.ensure(
            f"service principal {identity}",
            found,
            lambda: principals.create(
                application_id=identity,
                display_name=f"{NAME} {self.environment}",
                active=True,
                entitlements=access,
            ),
        )

    def ensure_policy(self, rules: Mapping[str, Any]) -> str | None:
        """The cluster policy with these rules; its id, unless a dry run would make it."""
        policies, what = self.there.cluster_policies, f"cluster policy {self.name}"
        found = next((policy for policy in policies.list() if policy.name == self.name), None)
        text = json.dumps(rules, sort_keys=True)
        if found is None:
            made = self.steps.take(what, "created", lambda: policies.create(name=self.name, definition=text))
            return made.policy_id if made else None
        number = str(found.policy_id)
        if json.loads(found.definition or "{}") == rules:
            submit.say(f"{what} is there already")
        else:
            change = partial(
                policies.edit,
                number,
                name=self.name,
                definition=text,
                # What is not sent is lost.
                description=found.description,
                libraries=found.libraries,
                max_clusters_per_user=found.max_clusters_per_user,
            )
            self.steps.take(what, "changed", change)
        return number

    def allow_policy(self, policy: str | None, *, identity: str = "", group: str = "") -> None:
        """Let CI's identity or a group start clusters that keep to the policy."""
        from databricks.sdk.service.compute import ClusterPolicyAccessControlRequest, ClusterPolicyPermissionLevel

        policies = self.there.cluster_policies
        listed = policies.get_permissions(policy).access_control_list or [] if policy else []
        use = ClusterPolicyPermissionLevel.CAN_USE
        holds = any(
            right.permission_level == use
            for one in listed
            if (one.service_principal_name or "", one.group_name or "") == (identity, group)
            for right in one.all_permissions or []
        )
        request = ClusterPolicyAccessControlRequest(
            group_name=group or None, service_principal_name=identity or None, permission_level=use
        )
        self.steps.hold(
            f"  right of {identity or group} to use it",
            holds,
            lambda: policies.update_permissions(str(policy), access_control_list=[request]),
            "granted",
        )

    def grant(self, catalog: str, principal: str, *privileges: str) -> None:
        """Let somebody do something in the catalog. Who makes a schema owns it, and needs nothing more."""
        from databricks.sdk.errors import NotFound
        from databricks.sdk.service.catalog import PermissionsChange, Privilege

        try:
            listed = self.there.grants.get("catalog", catalog, principal=principal).privilege_assignments or []
        except NotFound:
            # A dry run did not make the catalog.
            if not self.steps.dry:
                raise
            listed = []
        held = {right.value for one in listed if one.principal == principal for right in one.privileges or []}
        missing = [Privilege(privilege) for privilege in privileges if privilege not in held]
        change = PermissionsChange(principal=principal, add=missing)
        self.steps.hold(
            f"  right of {principal} to {' and '.join(privileges)}",
            not missing,
            lambda: self.there.grants.update("catalog", catalog, changes=[change]),
            "granted",
        )


# --- the command ---------------------------------------------------------------------------------------------------


@app.command()
def setup(
    outputs: Annotated[str, typer.Option(envvar="INFRA_OUTPUTS", help="What poe infra-outputs prints.")],
    identity: Annotated[
        str, typer.Option(envvar="AZURE_CLIENT_ID", help="Application (client) id of CI's identity.")
    ] = "",
    account: Annotated[
        str, typer.Option(envvar="DATABRICKS_ACCOUNT_ID", help="Your Databricks account, if you administer it.")
    ] = "",
    accounts: Annotated[
        str, typer.Option(envvar="DATABRICKS_ACCOUNTS_HOST", help="Where accounts are kept.")
    ] = "https://accounts.azuredatabricks.net",
    issuer: Annotated[
        str, typer.Option(envvar="FEDERATION_ISSUER", help="Who issues CI's tokens; needless with Azure's sign-in.")
    ] = "",
    subject: Annotated[
        str, typer.Option(envvar="FEDERATION_SUBJECT", help="Whom they are about, as docs/ci.md reads it.")
    ] = "",
    audience: Annotated[
        str, typer.Option(envvar="FEDERATION_AUDIENCE", help="Whom they are for. [default: the account]")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be made, and make nothing.")] = False,
) -> None:
    """Prepare the workspace, once an environment: catalog, CI's identity, cluster policy, budget, private endpoints."""
    made, environment = read_outputs(outputs), submit.target()
    asked, federation = read_asked(PROJECT / "databricks" / "setup.yml"), Federation(issuer, subject, audience)
    if environment not in asked.environments:
        raise InputError(f"databricks/setup.yml has no environment {environment}: add it there")
    os.environ.setdefault("DATABRICKS_HOST", made["workspace_url"])
    there, steps = submit.workspace(), Steps(dry_run)
    with explained():
        submit.say(f"{made['workspace_url']} knows you as {there.current_user.me().user_name}")
        inside = Inside(there, steps, environment, there.get_workspace_id())
        prepare(inside, asked, made, identity)
        wanted = dict(of_account(inside, asked, made, identity, federation))
        if wanted and not account:
            submit.say(f"DATABRICKS_ACCOUNT_ID not set, so left out: {', '.join(wanted)}; see docs/platform.md")
        elif wanted:
            outside = Account(connect(accounts, account), steps, environment, inside.number)
            with needing("an administrator of the Databricks account"):
                for ensure in wanted.values():
                    ensure(outside)
    if not identity:
        submit.say("AZURE_CLIENT_ID not set: CI's identity was not let in; run this again with it before CI deploys")


def prepare(inside: Inside, asked: Asked, made: Mapping[str, str], identity: str) -> None:
    """What is inside the workspace: catalog, identity, cluster policy, and who may use them."""
    chosen = asked.environments[inside.environment]
    with needing("let by the metastore to make storage credentials, external locations and catalogs, and own these"):
        catalog = inside.ensure_catalog(made)
    with needing("an administrator of the workspace"):
        if identity:
            inside.ensure_identity(identity)
        policy = inside.ensure_policy(cluster_rules(asked.clusters, inside.environment))
        if identity:
            inside.allow_policy(policy, identity=identity)
        if chosen.deployers:
            inside.allow_policy(policy, group=chosen.deployers)
    with needing(f"the owner of catalog {catalog}"):
        submit.say(f"catalog {catalog}:")
        for principal in filter(None, (identity, chosen.deployers)):
            inside.grant(catalog, principal, "USE_CATALOG", "CREATE_SCHEMA")
        if chosen.readers:
            inside.grant(catalog, chosen.readers, "USE_CATALOG")


def of_account(
    inside: Inside, asked: Asked, made: Mapping[str, str], identity: str, federation: Federation
) -> Iterator[tuple[str, Callable[[Account], None]]]:
    """What only an administrator of the account can make, of what is asked."""
    chosen = asked.environments[inside.environment]
    if identity and federation.issuer:
        trusted = (identity, federation.issuer, federation.subject, federation.audience)
        yield "federation policy", lambda account: account.ensure_federation(*trusted)
    if chosen.budget and asked.budget_emails:
        yield "budget", lambda account: account.ensure_budget(chosen.budget, asked.budget_emails)
    if PRIVATE.is_file():
        targets = {storage_id(made): ["blob", "dfs"], **chosen.reach}
        # A metastore serves one region.
        region = str(inside.there.metastores.summary().region)
        yield "private endpoints of serverless compute", lambda account: account.ensure_network(region, targets)


if __name__ == "__main__":
    submit.main(app)
