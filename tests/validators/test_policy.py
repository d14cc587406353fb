"""What a platform team asks of infrastructure, asked of that of every variant, in both languages, from the files alone.

A policy is a function of a project's infrastructure that returns its findings, one line each. Most are tables by resource type,
so that a type that nobody has thought of is a finding as well: it has to be entered, or exempted with a reason. Each policy is
shown a broken file and must turn red.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import bicep_project
import bicep_types
import pytest
import terraform_files
from azure_roles import PRIVILEGED, ROLES
from conftest import Answers, Matrix, tree

GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TERRAFORM_NAME = re.compile(r"\b((?:azurerm|azapi)_\w+)\.(\w+)")
INNERMOST = re.compile(r"\{[^{}]*\}")
LANGUAGES = {"bicep": "*.bicep", "terraform": "*.tf"}

A_PART = "a part of another resource, which has the tags"

# Settings without which a key, a password or a stranger would do instead of an identity with a role.
KEYLESS: dict[str, dict[str, Any]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowSharedKeyAccess": False,
        "properties.isLocalUserEnabled": False,
        "properties.allowBlobPublicAccess": False,
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"properties.publicAccess": "None"},
    "Microsoft.KeyVault/vaults": {"properties.enableRbacAuthorization": True},
    "Microsoft.ContainerRegistry/registries": {
        "properties.adminUserEnabled": False,
        "properties.anonymousPullEnabled": False,
    },
    "Microsoft.OperationalInsights/workspaces": {"properties.features.disableLocalAuth": True},
    "Microsoft.MachineLearningServices/workspaces": {"properties.systemDatastoresAuthMode": "Identity"},
    "Microsoft.MachineLearningServices/workspaces/computes": {"properties.disableLocalAuth": True},
    "Microsoft.CognitiveServices/accounts": {"properties.disableLocalAuth": True},
    "Microsoft.Search/searchServices": {"properties.disableLocalAuth": True},
    "azurerm_storage_account": {
        "shared_access_key_enabled": False,
        "local_user_enabled": False,
        "allow_nested_items_to_be_public": False,
    },
    "azurerm_storage_container": {"container_access_type": "private"},
    "azurerm_key_vault": {"rbac_authorization_enabled": True},
    "azurerm_container_registry": {"admin_enabled": False, "anonymous_pull_enabled": False},
    "azurerm_log_analytics_workspace": {"local_authentication_enabled": False},
    "azurerm_machine_learning_workspace": {"storage_account_access_type": "Identity"},
    "azurerm_machine_learning_compute_cluster": {"local_auth_enabled": False},
    "azurerm_cognitive_account": {"local_auth_enabled": False},
    "azurerm_search_service": {"local_authentication_enabled": False},
}

# Services without such a setting, with the reason.
NO_SERVICE = "a part of a network, which nobody signs in to"
KNOWS_NO_KEYS = "takes tokens of Entra only"
TOKENS = "its tokens are a setting in the workspace and in no file"
NO_SETTING = {
    "Microsoft.Databricks/workspaces": TOKENS,
    "Microsoft.MachineLearningServices/registries": KNOWS_NO_KEYS,
    "Microsoft.Network/networkSecurityGroups": NO_SERVICE,
    "Microsoft.Network/publicIPAddresses": NO_SERVICE,
    "Microsoft.Network/virtualNetworks": NO_SERVICE,
    "Microsoft.Storage/storageAccounts/blobServices": A_PART,
    "azurerm_databricks_workspace": TOKENS,
    "azurerm_network_security_group": NO_SERVICE,
    "azurerm_public_ip": NO_SERVICE,
    "azurerm_virtual_network": NO_SERVICE,
}

# What shuts a service off from the internet, where the project is private.
SHUT: dict[str, dict[str, Any]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.publicNetworkAccess": "Disabled",
        "properties.networkAcls.defaultAction": "Deny",
    },
    "Microsoft.KeyVault/vaults": {
        "properties.publicNetworkAccess": "Disabled",
        "properties.networkAcls.defaultAction": "Deny",
    },
    "Microsoft.ContainerRegistry/registries": {"properties.publicNetworkAccess": "Disabled"},
    "Microsoft.MachineLearningServices/workspaces": {"properties.publicNetworkAccess": "Disabled"},
    "Microsoft.MachineLearningServices/workspaces/computes": {"properties.properties.enableNodePublicIp": False},
    "Microsoft.MachineLearningServices/registries": {"properties.publicNetworkAccess": "Disabled"},
    "Microsoft.CognitiveServices/accounts": {
        "properties.publicNetworkAccess": "Disabled",
        "properties.networkAcls.defaultAction": "Deny",
    },
    "Microsoft.Search/searchServices": {"properties.publicNetworkAccess": "disabled"},  # its own spelling
    "Microsoft.Databricks/workspaces": {
        "properties.publicNetworkAccess": "Disabled",
        "properties.requiredNsgRules": "NoAzureDatabricksRules",
        "properties.defaultStorageFirewall": "Enabled",
        "properties.parameters.enableNoPublicIp.value": True,
    },
    "azurerm_storage_account": {"public_network_access_enabled": False},
    "azurerm_storage_account_network_rules": {"default_action": "Deny"},
    "azurerm_key_vault": {"public_network_access_enabled": False, "network_acls.default_action": "Deny"},
    "azurerm_container_registry": {"public_network_access_enabled": False},
    "azurerm_machine_learning_workspace": {"public_network_access_enabled": False},
    "azurerm_machine_learning_compute_cluster": {"node_public_ip_enabled": False},
    "azurerm_cognitive_account": {"public_network_access_enabled": False, "network_acls.default_action": "Deny"},
    "azurerm_search_service": {"public_network_access_enabled": False},
    "azurerm_databricks_workspace": {
        "public_network_access_enabled": False,
        "network_security_group_rules_required": "NoAzureDatabricksRules",
        "default_storage_firewall_enabled": True,
        "custom_parameters.no_public_ip": True,
    },
    "azurerm_subnet": {"default_outbound_access_enabled": False},
}

# What machines of Azure ML may reach, where the project is private: what is approved, one by one.
APPROVED: dict[str, dict[str, Any]] = {
    "Microsoft.MachineLearningServices/workspaces": {
        "properties.managedNetwork.isolationMode": "AllowOnlyApprovedOutbound"
    },
    "azurerm_machine_learning_workspace": {"managed_network.isolation_mode": "AllowOnlyApprovedOutbound"},
}

# Hold what cannot be made again, so each has a lock.
STATEFUL = frozenset(
    {
        "Microsoft.ContainerRegistry/registries",
        "Microsoft.KeyVault/vaults",
        "Microsoft.MachineLearningServices/registries",
        "Microsoft.Storage/storageAccounts",
        "azurerm_container_registry",
        "azurerm_key_vault",
        "azurerm_storage_account",
    }
)

A_RIGHT = "a right or a setting on another resource, which has the tags"
UNTAGGED = {
    "Microsoft.Authorization/locks": A_RIGHT,
    "Microsoft.Authorization/roleAssignments": A_RIGHT,
    "Microsoft.CognitiveServices/accounts/deployments": A_PART,
    "Microsoft.Consumption/budgets": A_RIGHT,
    "Microsoft.Insights/diagnosticSettings": A_RIGHT,
    "Microsoft.MachineLearningServices/workspaces/outboundRules": A_PART,
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": A_PART,
    "Microsoft.Network/virtualNetworks/virtualNetworkPeerings": A_PART,
    "Microsoft.Storage/storageAccounts/blobServices": A_PART,
    "Microsoft.Storage/storageAccounts/blobServices/containers": A_PART,
    "azapi_update_resource": A_PART,
    "azurerm_cognitive_deployment": A_PART,
    "azurerm_consumption_budget_resource_group": A_RIGHT,
    "azurerm_management_lock": A_RIGHT,
    "azurerm_monitor_diagnostic_setting": A_RIGHT,
    "azurerm_nat_gateway_public_ip_association": A_PART,
    "azurerm_role_assignment": A_RIGHT,
    "azurerm_storage_account_network_rules": A_PART,
    "azurerm_storage_container": A_PART,
    "azurerm_subnet": A_PART,
    "azurerm_subnet_nat_gateway_association": A_PART,
    "azurerm_subnet_network_security_group_association": A_PART,
    "azurerm_subnet_route_table_association": A_PART,
    "azurerm_virtual_network_peering": A_PART,
    "terraform_data": "nothing in Azure",
}

NO_LOGS = "Azure offers no log categories"
BY_ITS_BLOBS = "what is read and written is logged by its blob service, a resource of its own"
BY_ITS_WORKSPACE = "logged by the workspace that it is in"
UNDIAGNOSED = UNTAGGED | {
    "Microsoft.Databricks/accessConnectors": NO_LOGS,
    "Microsoft.Insights/components": "writes into Log Analytics itself",
    "Microsoft.MachineLearningServices/workspaces/computes": BY_ITS_WORKSPACE,
    "Microsoft.ManagedIdentity/userAssignedIdentities": "its sign-ins are in the logs of Entra",
    "Microsoft.Network/natGateways": "its public address is diagnosed",
    "Microsoft.Network/privateDnsZones": NO_LOGS,
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": NO_LOGS,
    "Microsoft.Network/privateEndpoints": "offers metrics only, and its service logs who came",
    "Microsoft.Network/routeTables": NO_LOGS,
    "Microsoft.Storage/storageAccounts": BY_ITS_BLOBS,
    "azurerm_application_insights": "writes into Log Analytics itself",
    "azurerm_databricks_access_connector": NO_LOGS,
    "azurerm_machine_learning_compute_cluster": BY_ITS_WORKSPACE,
    "azurerm_nat_gateway": "its public address is diagnosed",
    "azurerm_private_dns_zone": NO_LOGS,
    "azurerm_private_dns_zone_virtual_network_link": NO_LOGS,
    "azurerm_private_endpoint": "offers metrics only, and its service logs who came",
    "azurerm_route_table": NO_LOGS,
    "azurerm_user_assigned_identity": "its sign-ins are in the logs of Entra",
}
# Has logs, although its resource carries no tags.
del UNDIAGNOSED["Microsoft.Storage/storageAccounts/blobServices"]


@dataclass(frozen=True)
class Item:
    """A resource that is made: its Azure type in Bicep and azapi, else Terraform's."""

    file: str
    name: str
    type: str
    body: dict[str, Any]
    address: str

    def value(self, path: str) -> Any:
        """What stands at a dotted path, through blocks of Terraform, of which each is a list; None where nothing does."""
        found: Any = self.body
        for key in path.split("."):
            found = found[0] if isinstance(found, list) and found else found
            found = found.get(key) if isinstance(found, dict) else None
        return found


@dataclass(frozen=True)
class Infra:
    """The infrastructure of a project, read once."""

    project: Path
    answers: Answers

    @property
    def private(self) -> bool:
        """Whether nothing may be reached from the internet."""
        return self.answers["network"] == "private"

    @cached_property
    def texts(self) -> dict[str, str]:
        """Every file, by path, tests of the infrastructure aside."""
        files = tree(self.project / "infra").items()
        return {path: content.decode() for path, content in files if not path.startswith("tests/")}

    @cached_property
    def items(self) -> list[Item]:
        """Every resource that is made. Raises for a file that its parser refuses."""
        return list(self._bicep() if self.answers["iac"] == "bicep" else self._terraform())

    def _bicep(self) -> Iterator[Item]:
        for made in bicep_project.resources(self.project):
            yield Item(made.file, made.name, made.type, made.body, f"{made.file}:{made.name}")

    def _terraform(self) -> Iterator[Item]:
        for made in terraform_files.made(self.project):
            address, body, kind = f"{made.type}.{made.name}", made.body, made.type
            if made.type == "azapi_resource":
                body, kind = {**body, **body.get("body", {})}, body["type"].split("@")[0]
            yield Item(made.file, made.name, kind, body, address)

    def on(self, bicep: str, terraform: str, argument: str) -> set[str]:
        """The addresses of resources that carry another one, such as a lock: a Bicep type, a Terraform type and its argument."""
        found = set()
        for item in self.items:
            if item.type == bicep:
                scope = item.body["scope"]
                found.add(
                    f"{item.file}:{scope if isinstance(scope, str) else scope['operator']['operands']['operand_1']}"
                )
            elif item.type == terraform:
                found |= {".".join(match) for match in TERRAFORM_NAME.findall(str(item.body[argument]))}
        return found


Policy = Callable[[Infra], list[str]]


def required(infra: Infra, table: dict[str, dict[str, Any]]) -> list[str]:
    """The settings of a table that a resource has not as a literal: a parameter could be set to anything."""
    return [
        f"{item.address}: {path} is {item.value(path)!r}, not {wanted!r}"
        for item in infra.items
        for path, wanted in table.get(item.type, {}).items()
        if type(item.value(path)) is not type(wanted) or item.value(path) != wanted
    ]


def inner_values(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a body that is no object or list, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from inner_values(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from inner_values(inner, path)
    else:
        yield path, value


def no_keys(infra: Infra) -> list[str]:
    """Every service takes identities only. Application Insights cannot: Azure ML writes with a string, which reads nothing."""
    known = KEYLESS.keys() | NO_SETTING.keys() | UNDIAGNOSED.keys()
    unknown = [f"{item.address}: no rule about keys" for item in infra.items if item.type not in known]
    return unknown + required(infra, KEYLESS)


def no_public_access(infra: Infra) -> list[str]:
    """A private project has no open door, whatever the words for it are."""
    if not infra.private:
        return []
    found = required(infra, SHUT)
    for item in infra.items:
        for path, value in inner_values(item.body):
            last = path.rsplit(".", 1)[-1].lower().replace("_", "")
            if last in {"publicnetworkaccess", "publicnetworkaccessenabled"} and str(value).lower() not in {
                "disabled",
                "false",
            }:
                found.append(f"{item.address}: {path} is {value!r}")
            if last == "defaultaction" and value != "Deny":
                found.append(f"{item.address}: {path} is {value!r}")
            if last in {"iprules", "virtualnetworkrules", "virtualnetworksubnetids"}:
                found.append(f"{item.address}: {path} lets an address in")
    for path, text in infra.texts.items():
        for block in INNERMOST.findall(text):
            inbound = re.search(r"direction\s*[:=]\s*['\"]Inbound", block) and re.search(
                r"access\s*[:=]\s*['\"]Allow", block
            )
            anywhere = "0.0.0.0" in block and "VirtualAppliance" not in block  # noqa: S104  (no socket)
            if inbound or anywhere:
                found.append(f"{path}: {' '.join(block.split())}")
        found += [
            f"{path}: {name} is back"
            for name in ("param publicNetworkAccess", '"public_network_access"')
            if name in text
        ]
    return found


def approved_outbound(infra: Infra) -> list[str]:
    """The network that Azure ML keeps for machines is never looser than approved outbound, and no rule approves everything."""
    if not infra.private:
        return []
    hosts = [f"{path}: a host is *" for path, text in infra.texts.items() if re.search(r"ackage_?[hH]osts.*\*", text)]
    return required(infra, APPROVED) + hosts


def known_roles(infra: Infra) -> list[str]:
    """Roles go by ids that Microsoft lists; none may change everything or hand out rights."""
    found = []
    for path, text in infra.texts.items():
        for guid in sorted(set(GUID.findall(text.lower()))):
            name = ROLES.get(guid)
            if name is None or name in PRIVILEGED:
                found.append(f"{path}: {guid} is {name or 'no known role'}")
        found += [f"{path}: a role goes by its name" for _ in re.findall(r"\brole_definition_name\b", text)]
    return found


def no_wildcards(infra: Infra) -> list[str]:
    """A role of one's own allows actions by name."""
    definitions = {"Microsoft.Authorization/roleDefinitions", "azurerm_role_definition"}
    return [
        f"{item.address}: {path} is {value!r}"
        for item in infra.items
        if item.type in definitions
        for path, value in inner_values(item.body)
        if re.search(r"(?i)actions\Z", path) and "*" in str(value)
    ]


def no_people(infra: Infra) -> list[str]:
    """Rights go to groups and to identities of services, never to a single person; without a type Azure would have to guess."""
    types = {
        "Microsoft.Authorization/roleAssignments": "properties.principalType",
        "azurerm_role_assignment": "principal_type",
    }
    missing = [
        f"{item.address}: no principal type"
        for item in infra.items
        if item.type in types and not item.value(types[item.type])
    ]
    users = [f"{path}: a right of a user" for path, text in infra.texts.items() if re.search(r"""['"]User['"]""", text)]
    return missing + users


def tagged(infra: Infra) -> list[str]:
    """Every resource says whose it is, by the tags that the whole project shares."""
    shared = ("tags", "${local.tags}")
    return [
        f"{item.address}: no tags"
        for item in infra.items
        if item.type not in UNTAGGED and item.body.get("tags") not in shared
    ]


def diagnosed(infra: Infra) -> list[str]:
    """What has logs sends them to Log Analytics."""
    with_logs = infra.on(
        "Microsoft.Insights/diagnosticSettings", "azurerm_monitor_diagnostic_setting", "target_resource_id"
    )
    return [
        f"{item.address}: nobody sees its logs"
        for item in infra.items
        if item.type not in UNDIAGNOSED and item.address not in with_logs
    ]


def locked(infra: Infra) -> list[str]:
    """What holds data and models can carry a lock against deletion."""
    with_lock = infra.on("Microsoft.Authorization/locks", "azurerm_management_lock", "scope")
    return [
        f"{item.address}: no lock" for item in infra.items if item.type in STATEFUL and item.address not in with_lock
    ]


POLICIES: dict[str, Policy] = {
    policy.__name__: policy
    for policy in (
        approved_outbound,
        diagnosed,
        known_roles,
        locked,
        no_keys,
        no_people,
        no_public_access,
        no_wildcards,
        tagged,
    )
}


@pytest.fixture(scope="session")
def different(matrix: Matrix) -> dict[str, Infra]:
    """The infrastructure of every variant, each different one once, by the variant that has it first."""
    found: dict[str, tuple[str, Infra]] = {}
    for name, project in matrix.projects.items():
        content = json.dumps({path: text.decode() for path, text in sorted(tree(project / "infra").items())})
        network = matrix.answers[name]["network"]
        digest = hashlib.sha256(f"{network}{content}".encode()).hexdigest()
        found.setdefault(digest, (name, Infra(project, matrix.answers[name])))
    return dict(found.values())


def test_every_variant_is_read(different: dict[str, Infra], matrix: Matrix) -> None:
    """No file is refused, none is left out, and each kind of infrastructure makes what it is for."""
    seen = {tuple(infra.answers[axis] for axis in ("platform", "iac", "network")) for infra in different.values()}
    assert seen == {tuple(a[axis] for axis in ("platform", "iac", "network")) for a in matrix.answers.values()}
    for name, infra in different.items():
        read = {item.file for item in infra.items}
        assert len(infra.items) > 10, name
        workspace = [
            item
            for item in infra.items
            if re.search(r"(?i)(databricks|machine_?learning(services)?).workspaces?\Z", item.type)
        ]
        assert len(workspace) == 1, (name, [item.type for item in workspace])
        endpoints = [
            item
            for item in infra.items
            if item.type in {"Microsoft.Network/privateEndpoints", "azurerm_private_endpoint"}
        ]
        assert bool(endpoints) == infra.private, name
        files = [path for path in infra.texts if Path(path).match(LANGUAGES[infra.answers["iac"]])]
        assert len(files) > 5 and len(read) > 4, name


@pytest.mark.parametrize("policy", POLICIES)
def test_no_variant_breaks_a_policy(policy: str, different: dict[str, Infra]) -> None:
    """Nothing to find, in any of them."""
    findings = {name: found for name, infra in different.items() if (found := POLICIES[policy](infra))}
    assert not findings, json.dumps(findings, indent=2)


def test_every_entry_of_a_table_is_needed(different: dict[str, Infra]) -> None:
    """A type that no variant makes any more is not listed, so that an exemption does not outlive its reason."""
    made = {item.type for infra in different.values() for item in infra.items}
    listed = (
        KEYLESS.keys()
        | SHUT.keys()
        | APPROVED.keys()
        | STATEFUL
        | NO_SETTING.keys()
        | UNTAGGED.keys()
        | UNDIAGNOSED.keys()
    )
    assert listed <= made, listed - made


# What somebody might write one day: the policy that must find it, the file by its glob, a pattern in it and what to put there.
BROKEN = [
    ("no_keys", "bicep", "**/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    ("no_keys", "bicep", "**/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: hierarchical"),
    ("no_keys", "bicep", "**/vault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false"),
    ("no_keys", "terraform", "storage.tf", r"shared_access_key_enabled( +)= false", r"shared_access_key_enabled\1= true"),
    ("no_keys", "terraform", "registry.tf", r"\n +admin_enabled +=.*", ""),
    ("no_public_access", "bicep", "**/storage.bicep", "publicNetworkAccess: 'Disabled'", "publicNetworkAccess: 'Enabled'"),
    ("no_public_access", "bicep", "**/storage.bicep", "defaultAction: 'Deny'", "defaultAction: 'Allow'"),
    ("no_public_access", "bicep", "**/network.bicep", r"access: 'Deny'", "access: 'Allow'"),
    ("no_public_access", "bicep", "**/storage.bicep", "bypass: 'AzureServices'", "ipRules: [{ value: '0.0.0.0/1' }]"),
    ("no_public_access", "terraform", "vault.tf", r"(public_network_access_enabled +)= false", r"\1= true"),
    ("no_public_access", "terraform", "storage.tf", r'default_action = "Deny"', 'default_action = "Allow"'),
    ("no_public_access", "terraform", "network.tf", r'access( +)= "Deny"', r'access\1= "Allow"'),
    ("no_public_access", "terraform", "registry.tf", r"public_network_access_enabled.*\n", ""),
    ("approved_outbound", "bicep", "platform.bicep", "AllowOnlyApprovedOutbound", "AllowInternetOutbound"),
    ("approved_outbound", "terraform", "platform.tf", "AllowOnlyApprovedOutbound", "AllowInternetOutbound"),
    ("approved_outbound", "terraform", "dev.tfvars", r'package_hosts = \["pypi.org"', 'package_hosts = ["*"'),
    ("known_roles", "bicep", "platform.bicep", "7f951dda-4ed3-4680-a7ca-43fe172d538d", "b24988ac-6180-42a0-ab88-20f7382dd24c"),
    ("known_roles", "terraform", "roles.tf", "7f951dda-4ed3-4680-a7ca-43fe172d538d", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    ("known_roles", "terraform", "roles.tf", "7f951dda-4ed3-4680-a7ca-43fe172d538d", "7f951dda-4ed3-4680-a7ca-43fe172d538e"),
    ("known_roles", "terraform", "roles.tf", r"role_definition_id += .*", 'role_definition_name = "Owner"'),
    ("no_people", "bicep", "platform.bicep", "principalType: 'Group'", "principalType: 'User'"),
    ("no_people", "bicep", "**/storage-roles.bicep", r"\n +principalType: .*", ""),
    ("no_people", "terraform", "roles.tf", r'type = "Group"', 'type = "User"'),
    ("no_people", "terraform", "roles.tf", r"\n +principal_type += .*", ""),
    ("tagged", "bicep", "**/vault.bicep", r"\n +tags: tags", ""),
    ("tagged", "terraform", "vault.tf", r"\n +tags +=.*", ""),
    ("tagged", "terraform", "vault.tf", r"tags( +)=.*", r"tags\1= {}"),
    ("diagnosed", "bicep", "platform.bicep", "scope: blobService", "scope: storageAccount"),
    ("diagnosed", "bicep", "**/vault.bicep", r"(?s)\nresource diagnostics .*?\n}\n", "\n"),
    ("diagnosed", "terraform", "vault.tf", r"(target_resource_id +)= .*", r"\1= azurerm_storage_account.main.id"),
    ("locked", "bicep", "**/registry.bicep", r"(?s)\nresource lock .*?\n}\n", "\n"),
    ("locked", "terraform", "storage.tf", r"(?s)\nresource \"azurerm_management_lock\".*\Z", "\n"),
]  # fmt: skip
ROLE_OF_ONES_OWN = {
    "bicep": (
        "**/vault.bicep",
        "\nresource operator 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {\n  name: guid(name)\n"
        "  properties: {\n    permissions: [\n      {\n        actions: [\n          'Microsoft.KeyVault/*'\n"
        "        ]\n      }\n    ]\n  }\n}\n",
    ),
    "terraform": (
        "vault.tf",
        '\nresource "azurerm_role_definition" "main" {\n  name = "operator"\n'
        '  permissions {\n    actions = ["Microsoft.KeyVault/*"]\n  }\n}\n',
    ),
}


def broken(different: dict[str, Infra], to: Path, language: str, glob: str, change: Callable[[str], str]) -> Infra:
    """A private project on Azure ML with one file changed."""
    infra = next(
        infra
        for infra in different.values()
        if (infra.answers["iac"], infra.answers["platform"], infra.private) == (language, "aml", True)
    )
    shutil.copytree(infra.project / "infra", to / "infra")
    (path,) = (to / "infra").glob(glob)
    text = path.read_text("utf-8")
    assert change(text) != text, "the file does not say this any more"
    path.write_text(change(text), "utf-8")
    return Infra(to, infra.answers)


@pytest.mark.parametrize(("policy", "language", "glob", "old", "new"), BROKEN)
def test_a_broken_file_is_found(
    policy: str, language: str, glob: str, old: str, new: str, different: dict[str, Infra], tmp_path: Path
) -> None:
    """Each policy turns red, in both languages."""
    assert POLICIES[policy](broken(different, tmp_path, language, glob, lambda text: re.sub(old, new, text, count=1)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_role_that_allows_everything_is_found(language: str, different: dict[str, Infra], tmp_path: Path) -> None:
    """No project defines a role of its own, and one that does may not use `*`."""
    glob, role = ROLE_OF_ONES_OWN[language]
    assert no_wildcards(broken(different, tmp_path, language, glob, lambda text: text + role))


def test_a_file_that_cannot_be_read_is_an_error(different: dict[str, Infra], tmp_path: Path) -> None:
    """A policy never passes a file that it has not read."""
    for language, glob in (("bicep", "**/vault.bicep"), ("terraform", "vault.tf")):
        infra = broken(different, tmp_path / language, language, glob, lambda text: text + "\nresource {{{\n")
        with pytest.raises((bicep_types.UnparsableError, ValueError)):
            assert infra.items
