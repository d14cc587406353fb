"""The Bicep of a generated project, checked without Azure and without the Bicep compiler.

A scanner that cannot read a file says nothing about it and exits with 0, so these tests first prove that every reader
reads every file. checkov's Bicep rules leave out shared keys, local authentication and more, so those are rules here.
Each checker is also shown a broken file and must turn red: without that, one that reads nothing looks like one that
finds nothing.

Tools come by path: AZMCP (npm's @azure/mcp, see package.json) and CHECKOV (an environment of its own: it pins pycep).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import resources_page as page
import yaml
from azure_roles import PRIVILEGED, ROLES
from bicep_project import (
    ASSIGNMENTS,
    ENVIRONMENTS,
    Assignment,
    assignments,
    at,
    bicep_files,
    declared_parameters,
    decorators,
    endpoints,
    outputs,
    resources,
    roles,
    root,
    subnets,
    values,
    zones,
    zones_of,
)
from bicep_types import Json, Types, accessors, body_of, check_folder, interpolate, parse
from conftest import ROOT, Matrix
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment
from platform_outputs import variants_of
from tools import tool

# Settings that may not move, in a public network.
Settings = Mapping[str, Mapping[str, Any]]
SETTINGS: Settings = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowSharedKeyAccess": False,
        "properties.defaultToOAuthAuthentication": True,
        "properties.allowBlobPublicAccess": False,
        "properties.allowCrossTenantReplication": False,
        "properties.isLocalUserEnabled": False,
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.supportsHttpsTrafficOnly": True,
        "properties.publicNetworkAccess": "Enabled",
        "properties.networkAcls.bypass": "AzureServices",
        "properties.networkAcls.defaultAction": "Allow",
    },
    "Microsoft.Storage/storageAccounts/blobServices": {
        "properties.deleteRetentionPolicy.enabled": True,
        "properties.deleteRetentionPolicy.days": "dataRecoveryDays",
        "properties.containerDeleteRetentionPolicy.enabled": True,
        "properties.containerDeleteRetentionPolicy.days": "dataRecoveryDays",
    },
    "Microsoft.OperationalInsights/workspaces": {"properties.features.disableLocalAuth": True},
}
AML_SETTINGS: Settings = {
    "Microsoft.KeyVault/vaults": {
        "properties.enableRbacAuthorization": True,
        "properties.enablePurgeProtection": True,
        "properties.enableSoftDelete": True,
        "properties.publicNetworkAccess": "Enabled",
        "properties.networkAcls.bypass": "AzureServices",
        "properties.networkAcls.defaultAction": "Deny",
    },
    "Microsoft.ContainerRegistry/registries": {
        "properties.adminUserEnabled": False,
        "properties.anonymousPullEnabled": False,
        "properties.publicNetworkAccess": "Enabled",
        "properties.networkRuleBypassOptions": "AzureServices",
    },
    "Microsoft.MachineLearningServices/workspaces": {
        "properties.systemDatastoresAuthMode": "Identity",
        "properties.publicNetworkAccess": "Enabled",
        "properties.v1LegacyMode": False,
    },
    "Microsoft.MachineLearningServices/registries": {
        "identity.type": "SystemAssigned",
        "properties.publicNetworkAccess": "Enabled",
    },
    "Microsoft.MachineLearningServices/workspaces/computes": {
        "identity.type": "UserAssigned",
        "properties.disableLocalAuth": True,
        "properties.properties.remoteLoginPortPublicAccess": "Disabled",
        "properties.properties.enableNodePublicIp": True,  # outside a network Azure takes no other
        "properties.properties.scaleSettings.minNodeCount": 0,
    },
}
DATABRICKS_SETTINGS: Settings = {
    "Microsoft.Databricks/workspaces": {
        "sku.name": "premium",
        "properties.publicNetworkAccess": "Enabled",
        "properties.requiredNsgRules": "AllRules",
        "properties.parameters.enableNoPublicIp.value": True,
    },
    "Microsoft.Databricks/accessConnectors": {"identity.type": "SystemAssigned"},
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"properties.publicAccess": "None"},
}
RAG_SETTINGS: Settings = {
    "Microsoft.CognitiveServices/accounts": {
        "kind": "AIServices",
        "identity.type": "SystemAssigned",
        "properties.customSubDomainName": "name",
        "properties.disableLocalAuth": True,
        "properties.publicNetworkAccess": "Enabled",
        "properties.networkAcls.bypass": "AzureServices",
        "properties.networkAcls.defaultAction": "Allow",
    },
    "Microsoft.CognitiveServices/accounts/deployments": {
        "properties.versionUpgradeOption": "NoAutoUpgrade",
        "properties.raiPolicyName": "Microsoft.DefaultV2",
    },
    "Microsoft.Search/searchServices": {
        "identity.type": "SystemAssigned",
        "properties.disableLocalAuth": True,
        "properties.semanticSearch": "standard",
        "properties.publicNetworkAccess": "enabled",
        "properties.networkRuleSet.bypass": "None",
    },
}

# What a private network decides otherwise: nothing has a public endpoint, and what has a firewall shuts it.
PRIVATE_VALUES: Mapping[str, Mapping[Any, Any]] = {
    "properties.publicNetworkAccess": {"Enabled": "Disabled", "enabled": "disabled"},
    "properties.networkAcls.defaultAction": {"Allow": "Deny"},
    "properties.properties.enableNodePublicIp": {True: False},
    "properties.requiredNsgRules": {"AllRules": "NoAzureDatabricksRules"},
}
NETWORK_SETTINGS: Settings = {
    "Microsoft.Network/virtualNetworks": {"properties.subnets.properties.defaultOutboundAccess": False},
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": {"properties.registrationEnabled": False},
    "Microsoft.Network/virtualNetworks/virtualNetworkPeerings": {
        "properties.allowForwardedTraffic": True,
        "properties.allowGatewayTransit": False,
        "properties.useRemoteGateways": "hubGateway",
    },
    "Microsoft.Network/routeTables": {},
    "Microsoft.Network/natGateways": {"sku.name": "Standard"},
    "Microsoft.Network/publicIPAddresses": {"sku.name": "Standard", "properties.publicIPAllocationMethod": "Static"},
}
PRIVATE_SETTINGS: Mapping[str, Settings] = {
    "aml": {
        "Microsoft.ContainerRegistry/registries": {"sku.name": "Premium"},
        "Microsoft.MachineLearningServices/workspaces": {
            # Azure never lets it be loosened again, so a looser value would also fail each later deployment.
            "properties.managedNetwork.isolationMode": "AllowOnlyApprovedOutbound",
            "properties.managedNetwork.firewallSku": "Basic",
            "properties.provisionNetworkNow": True,
            "properties.imageBuildCompute": "cpu-cluster",
        },
    },
    "databricks": {
        "Microsoft.Databricks/workspaces": {
            "properties.defaultStorageFirewall": "Enabled",
            "properties.accessConnector.identityType": "SystemAssigned",
            "properties.parameters.customVirtualNetworkId.value": "networkId",
            "properties.parameters.customPublicSubnetName.value": "databricks-host",
            "properties.parameters.customPrivateSubnetName.value": "databricks-container",
        },
    },
}

# What is kept of whom, by type: who read and changed it, or all that happens. Storage logs its blobs, not itself.
DIAGNOSED = {
    "Microsoft.CognitiveServices/accounts": "audit",
    "Microsoft.ContainerRegistry/registries": "allLogs",
    "Microsoft.Databricks/workspaces": "allLogs",
    "Microsoft.KeyVault/vaults": "audit",
    "Microsoft.MachineLearningServices/registries": "allLogs",
    "Microsoft.MachineLearningServices/workspaces": "allLogs",
    "Microsoft.Network/networkSecurityGroups": "allLogs",
    "Microsoft.Network/publicIPAddresses": "allLogs",
    "Microsoft.Network/virtualNetworks": "allLogs",
    "Microsoft.OperationalInsights/workspaces": "audit",
    "Microsoft.Search/searchServices": "allLogs",
    "Microsoft.Storage/storageAccounts/blobServices": "audit",
}
# Take neither public requests nor logs of their own, or are parts of what does.
UNDIAGNOSED = frozenset(
    {
        "Microsoft.Authorization/locks",
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.CognitiveServices/accounts/deployments",
        "Microsoft.Consumption/budgets",
        "Microsoft.Databricks/accessConnectors",
        "Microsoft.Insights/components",  # its logs lie in Log Analytics
        "Microsoft.Insights/diagnosticSettings",
        "Microsoft.MachineLearningServices/workspaces/computes",
        "Microsoft.MachineLearningServices/workspaces/outboundRules",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.Network/natGateways",
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
        "Microsoft.Network/privateEndpoints",
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
        "Microsoft.Network/routeTables",
        "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
    }
)

# Hold what cannot be made again, so each can carry a delete lock.
STATEFUL = frozenset(
    {
        "Microsoft.Storage/storageAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.ContainerRegistry/registries",
        "Microsoft.MachineLearningServices/registries",
    }
)

# Letters, digits and lengths that Azure accepts, by key of `names` in main.bicep.
STORAGE = r"[a-z0-9]{3,24}"
LOGS = r"(?=.{4,63}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]"
BUDGET = r"[a-z0-9-]{1,63}"
IDENTITY = r"[a-z0-9-]{3,128}"
NETWORK_NAMES = {
    "network": r"(?=.{2,64}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]",
    "securityGroups": r"(?=.{1,80}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]",
    "natAddress": r"(?=.{1,80}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]",
    "nat": r"(?=.{1,80}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]",
    "routes": r"(?=.{1,80}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]",
}
ENDPOINT_NAME = r"(?=.{2,64}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]"
SUBNET_NAME = r"(?=.{1,80}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]"


@dataclass(frozen=True)
class Platform:
    """What is decided for one platform."""

    settings: Settings
    # Directories in the storage account: fixed when the account is made.
    hierarchical: bool
    # The complete list of rights: a new one is a decision, made here and in docs/resources.md.
    assignments: tuple[Assignment, ...]
    # Rules for names: by key of `names` in main.bicep, and by resource of platform.bicep.
    names: Mapping[str, str]
    platform_names: Mapping[str, str]
    # Names that are shared with others than this resource group.
    hashed: frozenset[str]
    # Keys of the private endpoints, each of which ends a name.
    endpoints: frozenset[str]


PLATFORMS = {
    "aml": Platform(
        settings={**SETTINGS, **AML_SETTINGS},
        hierarchical=False,
        assignments=(
            Assignment("modelRegistry", "mlIdentityId", "azureMLRegistryUser"),
            Assignment("modelRegistry", "modelRegistryUserIds", "azureMLRegistryUser"),
            Assignment("registry", "computeIdentity", "acrPull"),
            Assignment("registry", "servingIdentity", "acrPull"),
            Assignment("storage", "computeIdentity", "storageBlobDataContributor"),
            Assignment("storage", "computeIdentity", "storageQueueDataContributor"),
            Assignment("storage", "computeIdentity", "storageTableDataContributor"),
            Assignment("storage", "mlIdentityId", "storageBlobDataContributor"),
            Assignment("storage", "peopleGroupId", "storageBlobDataContributor"),
            Assignment("storage", "peopleGroupId", "storageFileDataPrivilegedContributor"),
            Assignment("storage", "servingIdentity", "storageBlobDataReader"),
            Assignment("workspace", "mlIdentityId", "azureMLDataScientist"),
            Assignment("workspace", "peopleGroupId", "azureMLComputeOperator"),
            Assignment("workspace", "peopleGroupId", "azureMLDataScientist"),
        ),
        names={
            "storageAccount": STORAGE,
            "keyVault": r"(?=.{3,24}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*",
            "containerRegistry": r"[a-z0-9]{5,50}",
            "logAnalytics": LOGS,
            "applicationInsights": r"[a-z0-9-]{1,260}",
            "modelRegistry": r"[a-z0-9][a-z0-9-]{2,32}",
            "budget": BUDGET,
        },
        platform_names={
            "workspace": r"[a-z0-9][a-z0-9-]{2,32}",
            "computeIdentity": IDENTITY,
            "servingIdentity": IDENTITY,
            "compute": r"(?=.{3,16}\Z)[a-z][a-z0-9-]*[a-z0-9]",
        },
        hashed=frozenset({"storageAccount", "keyVault", "containerRegistry", "modelRegistry"}),
        endpoints=frozenset(),
    ),
    "databricks": Platform(
        settings={**SETTINGS, **DATABRICKS_SETTINGS},
        hierarchical=True,
        assignments=(Assignment("storage", "accessConnector", "storageBlobDataContributor"),),
        names={
            "storageAccount": STORAGE,
            "managedResourceGroup": r"[a-z0-9-]{1,90}",
            "logAnalytics": LOGS,
            "budget": BUDGET,
        },
        platform_names={
            "workspace": r"[a-z0-9-]{3,30}",
            "accessConnector": r"[a-z0-9-]{1,64}",
            "catalog": r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*",
        },
        hashed=frozenset({"storageAccount", "managedResourceGroup"}),
        endpoints=frozenset(),
    ),
}
# What a project type adds to every platform. The search service's own identity holds no role.
RAG_ASSIGNMENTS = (
    Assignment("account", "jobPrincipalId", "cognitiveServicesOpenAIUser"),
    Assignment("account", "jobPrincipalId", "cognitiveServicesUser"),
    Assignment("account", "servingPrincipalId", "cognitiveServicesOpenAIUser"),
    Assignment("account", "servingPrincipalId", "cognitiveServicesUser"),
    Assignment("search", "jobPrincipalId", "searchIndexDataContributor"),
    Assignment("search", "jobPrincipalId", "searchServiceContributor"),
    Assignment("search", "servingPrincipalId", "searchIndexDataReader"),
)
# Rules for the variables of rag.bicep that hold names.
RAG_NAMES = {
    "accountName": r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]",
    "searchName": r"(?=.{2,60}\Z)[a-z0-9]{2}[a-z0-9]*(-[a-z0-9]+)*",
}


def with_rag(platform: Platform) -> Platform:
    """A platform with what answering questions needs."""
    return replace(
        platform,
        settings={**platform.settings, **RAG_SETTINGS},
        assignments=(*platform.assignments, *RAG_ASSIGNMENTS),
        platform_names={**platform.platform_names, "servingIdentity": IDENTITY},
    )


# What a private network adds to a platform: endpoints by key, names, and rights.
PLATFORM_ENDPOINTS = {
    "aml": {"blob", "file", "queue", "table", "vault", "registry", "workspace", "modelregistry"},
    "databricks": {"blob", "dfs", "root-blob", "root-dfs", "databricks", "browser"},
}
RAG_ENDPOINTS = {"account", "search"}
PRIVATE_NAMES = {"aml": {}, "databricks": {"workspaceStorageAccount": STORAGE}}
# Jobs reach these services from the managed network, which the workspace joins to them as itself.
APPROVALS = tuple(
    Assignment(scope, "workspacePrincipalId", "azureAIEnterpriseNetworkConnectionApprover")
    for scope in ("account", "search")
)


def private_values(settings: Settings) -> Settings:
    """The settings of a public network as a private one has them."""
    return {
        kind: {path: PRIVATE_VALUES.get(path, {}).get(value, value) for path, value in decided.items()}
        for kind, decided in settings.items()
    }


def with_private(kind: str, platform: Platform) -> Platform:
    """A platform in a private network of its own."""
    base, _, project_type = kind.partition("-")
    settings = private_values(platform.settings)
    more = {**NETWORK_SETTINGS, **PRIVATE_SETTINGS[base]}
    return replace(
        platform,
        settings={key: {**settings.get(key, {}), **more.get(key, {})} for key in settings.keys() | more.keys()},
        assignments=platform.assignments + (APPROVALS if kind == "aml-rag" else ()),
        names={**platform.names, **PRIVATE_NAMES[base]},
        hashed=platform.hashed | PRIVATE_NAMES[base].keys(),
        endpoints=frozenset(PLATFORM_ENDPOINTS[base] | (RAG_ENDPOINTS if project_type == "rag" else set())),
    )


PLATFORMS |= {f"{name}-rag": with_rag(platform) for name, platform in PLATFORMS.items()}
PLATFORMS |= {f"{name}-private": with_private(name, platform) for name, platform in PLATFORMS.items()}
PRIVATE = [name for name in PLATFORMS if name.endswith("-private")]


@pytest.fixture(scope="session")
def types(shared: Path) -> Types:
    """Azure's resource types; all workers of the run ask for each only once or twice."""
    azmcp = tool("AZMCP", "npm install --ignore-scripts in tests/validators, then node_modules/.bin/azmcp-linux-x64")
    folder = shared / "azmcp"
    folder.mkdir(exist_ok=True)
    return Types(azmcp, folder)


def copy(matrix: Matrix, platform: str, to: Path) -> Path:
    """A platform's infrastructure in a folder of its own, to break at will."""
    variant = variants_of(platform, "bicep", matrix.projects)[0]
    for part in ("infra", "tasks", "docs"):
        shutil.copytree(matrix.projects[variant] / part, to / part)
    return to


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    """Each platform in turn; a test of one platform's file gives its own."""
    return str(request.param)


@pytest.fixture
def project(matrix: Matrix, platform: str, tmp_path: Path) -> Path:
    """The infrastructure of the platform."""
    return copy(matrix, platform, tmp_path)


def change(project: Path, file: str, old: str, new: str) -> None:
    """Break a file; fails when the text is not there, so that a negative test cannot break nothing."""
    text = (project / file).read_text("utf-8")
    assert old in text, f"{file} has no {old!r} to break"
    (project / file).write_text(text.replace(old, new), "utf-8")


# --- every reader reads every file, and every file fits the others


def test_infrastructure_is_the_same_for_every_kind_of_model(matrix: Matrix, platform: str) -> None:
    """Infrastructure depends on its kind alone: one content a path, whatever the project predicts.

    But for the hosts of packages in a private network of Azure ML: PyTorch has its own.
    """
    of_kind = set(variants_of(platform, "bicep", matrix.projects))
    ours = [item for item in matrix.unique("infra/**/*") if of_kind & set(item.variants)]
    paths = [item.relative for item in ours]
    assert "infra/main.bicep" in paths
    contents = {(item.relative, re.sub(r'(, )?"download(-r2)?.pytorch.org"', "", item.content)) for item in ours}
    assert len(contents) == len(set(paths))


def test_files_fit_azure_and_each_other(project: Path, types: Types) -> None:
    """Both parsers read each file; names, resource types, values, modules, outputs and parameter files agree."""
    assert check_folder(types, project / "infra") == []


AML_BROKEN = {
    "a nested one misspelt": ("modules/vault.bicep", "defaultAction:", "defaultActoin:", "unknown property"),
    "a required one missing": ("modules/vault.bicep", "tenantId: subscription().tenantId", "", "tenantId: missing"),
    "a read-only one set": ("modules/registry.bicep", "adminUserEnabled: false", "loginServer: 'x'", "read-only"),
    "a value in a list": ("platform.bicep", "'PATCH'", "'PACTH'", "'PACTH' is none of"),
    "a text for a number": ("platform.bicep", "minNodeCount: 0", "minNodeCount: '0'", "is string, not int"),
    "another parameter type": ("platform.bicep", "computeMaxNodes int", "computeMaxNodes string", "string, not int"),
    "below a discriminator": ("platform.bicep", "vmPriority:", "vmPriorty:", "unknown property"),
    "an unknown kind of compute": ("platform.bicep", "'AmlCompute'", "'AmlComput'", "none of the known kinds"),
    "a type that is none": ("modules/vault.bicep", "KeyVault/vaults@", "KeyVault/vault@", "no resource type"),
    "an old API version": ("modules/vault.bicep", "vaults@2024-11-01", "vaults@2023-07-01", "API version"),
    "an undeclared name": ("modules/vault.bicep", "recoveryDays\n", "recoverDays\n", "nothing declares recoverDays"),
    "an unused parameter": ("modules/registry.bicep", "param sku string", "param sku string\nparam x int", "x is"),
    "a module's missing parameter": ("main.bicep", "    sku: registrySku\n", "", "registry.sku: missing"),
    "a module's unknown parameter": ("main.bicep", "    sku: registrySku", "    sky: registrySku", "no such parameter"),
    "a module's parameter of another type": ("main.bicep", "sku: registrySku", "sku: true", "True where string"),
    "a module that is not there": ("main.bicep", "modules/vault.bicep", "modules/fault.bicep", "there is no"),
    "an output that is not there": ("main.bicep", "vault.outputs.name", "vault.outputs.nam", "no such output"),
    "what checkov cannot read": ("modules/vault.bicep", "param tags object", "param tags object?", "pycep refuses it"),
    "what nobody can read": ("modules/vault.bicep", "family: 'A'", "family: 'A", "tree-sitter refuses it"),
    "an unknown parameter": ("dev.parameters.json", '"team"', '"teem"', "teem: the template has no such parameter"),
    "a missing parameter": ("dev.parameters.json", '"team"', '"teem"', "team: missing"),
    "a value not allowed": ("dev.parameters.json", '"Basic"', '"Basics"', "breaks allowed"),
    "a number out of range": ("prod.parameters.json", '"vaultRecoveryDays": { "value": 90', '"vaultRecoveryDays": '
        '{ "value": 91', "breaks max_value 90"),
    "a text as a number": ("prod.parameters.json", "1000", '"1000"', "'1000' where int belongs"),
}  # fmt: skip
DATABRICKS_BROKEN = {
    "a property misspelt": ("modules/storage.bicep", "allowSharedKeyAccess:", "allowSharedKeyAcces:", "unknown"),
    "a value that is none": ("modules/storage.bicep", "'TLS1_2'", "'TLS12'", "'TLS12' is none of"),
    "inside a loop": ("modules/storage-roles.bicep", "principalType:", "principalKind:", "unknown property"),
    "a text for a switch": ("main.bicep", "hierarchical: true", "hierarchical: 'true'", "is string, not bool"),
    "a wrapped value left bare": ("platform.bicep", "value: true", "valeu: true", "value: missing"),
    "a property of the workspace misspelt": ("platform.bicep", "requiredNsgRules:", "requiredNsgRule:", "unknown"),
    "an unknown kind of identity": ("platform.bicep", "'SystemAssigned'", "'System'", "'System' is none of"),
    "a number out of range": ("dev.parameters.json", '"dataRecoveryDays": { "value": 7', '"dataRecoveryDays": { '
        '"value": 0', "breaks min_value 1"),
    "a parameter of the other platform": ("main.bicep", "    managedResourceGroupName: names.managedResourceGroup\n",
        "", "platform.managedResourceGroupName: missing"),
}  # fmt: skip


RAG_BROKEN = {
    "a property of a model misspelt": ("modules/ai.bicep", "versionUpgradeOption:", "versionUpgrade:", "unknown"),
    "a kind of identity": ("modules/ai.bicep", "'SystemAssigned'", "'System'", "'System' is none of"),
    "a number as a text": ("modules/search.bicep", "replicaCount: replicas", "replicaCount: '2'", "is string, not int"),
    "no principal for jobs": ("platform.bicep", "    jobPrincipalId: ", "    jobId: ", "rag.jobPrincipalId: missing"),
    "an output that is not there": ("rag.bicep", "account.outputs.name", "account.outputs.nam", "no such output"),
}
BROKEN = {"aml": AML_BROKEN, "databricks": DATABRICKS_BROKEN, "aml-rag": RAG_BROKEN, "databricks-rag": RAG_BROKEN}


@pytest.mark.parametrize(("platform", "fault"), [(kind, fault) for kind in BROKEN for fault in BROKEN[kind]])
def test_a_file_that_does_not_fit_is_found(project: Path, types: Types, platform: str, fault: str) -> None:
    """Each kind of fault that `az bicep build` would refuse, or a deployment would, is found here."""
    file, old, new, finding = BROKEN[platform][fault]
    change(project, f"infra/{file}", old, new)
    found = check_folder(types, project / "infra")
    assert any(finding in line for line in found), found


def test_a_folder_without_files_is_an_error(types: Types, tmp_path: Path) -> None:
    """Nothing to check is not a clean result."""
    with pytest.raises(FileNotFoundError):
        check_folder(types, tmp_path)


def test_what_two_platforms_share_is_written_the_same(matrix: Matrix, tmp_path: Path) -> None:
    """A parameter that both platforms have means the same: type, default, limits, and the value in each environment."""
    aml, databricks = (copy(matrix, name, tmp_path / name) for name in ("aml", "databricks"))
    first, second = declared_parameters(aml), declared_parameters(databricks)
    shared = first.keys() & second.keys()
    assert {"workload", "storageRedundancy", "budgetAmount"} <= shared
    for name in shared:
        assert meaning(first[name]) == meaning(second[name]), name
        for environment in ENVIRONMENTS:
            assert values(aml, environment).get(name) == values(databricks, environment).get(name), name


def meaning(parameter: Json) -> tuple[Any, ...]:
    """A parameter without its description."""
    rules = {name: rule for name, rule in decorators(parameter).items() if name != "description"}
    return parameter["type"], parameter["default"], rules


# --- settings that may not move


def setting_problems(project: Path, platform: str) -> list[str]:
    """Settings that are not as decided, and types that the project lost."""
    made, decided = resources(project), PLATFORMS[platform]
    found = [f"no {kind}" for kind in decided.settings if not any(resource.type == kind for resource in made)]
    storage = body_of(parse(project / "infra/main.bicep")["modules"]["storage"])["params"]
    if storage["hierarchical"] is not decided.hierarchical:
        found.append(f"storage.hierarchical is {storage['hierarchical']!r}")
    return found + [
        f"{resource.file}:{resource.name}.{path} is {at(resource.body, path)!r}"
        for resource in made
        for path, wanted in decided.settings.get(resource.type, {}).items()
        if at(resource.body, path) is not wanted and at(resource.body, path) != wanted
    ]


def test_settings_are_as_decided(project: Path, platform: str) -> None:
    """No shared key or local login, no anonymous reader, TLS 1.2, no public address, a vault by role, never purged."""
    assert setting_problems(project, platform) == []


@pytest.mark.parametrize(
    ("platform", "file", "old", "new"),
    [
        ("aml", "modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
        ("aml", "modules/storage.bicep", "    allowSharedKeyAccess: false\n", ""),
        ("aml", "modules/storage.bicep", "'TLS1_2'", "'TLS1_0'"),
        ("aml-private", "modules/storage.bicep", "publicNetworkAccess: 'Disabled'", "publicNetworkAccess: 'Enabled'"),
        ("aml-private", "modules/storage.bicep", "defaultAction: 'Deny'", "defaultAction: 'Allow'"),
        ("aml-private", "modules/vault.bicep", "publicNetworkAccess: 'Disabled'", "publicNetworkAccess: 'Enabled'"),
        ("aml-private", "modules/registry.bicep", "    publicNetworkAccess: 'Disabled'\n", ""),
        ("aml-private", "modules/registry.bicep", "name: 'Premium'", "name: 'Standard'"),
        ("aml-private", "modules/model-registry.bicep", "'Disabled'", "'Enabled'"),
        ("aml-private", "platform.bicep", "enableNodePublicIp: false", "enableNodePublicIp: true"),
        ("aml-private", "platform.bicep", "      enableNodePublicIp: false\n", ""),
        ("aml-private", "platform.bicep", "'AllowOnlyApprovedOutbound'", "'AllowInternetOutbound'"),
        ("aml-private", "platform.bicep", "'AllowOnlyApprovedOutbound'", "'Disabled'"),
        ("aml-private", "platform.bicep", "    publicNetworkAccess: 'Disabled'", "    publicNetworkAccess: 'Enabled'"),
        ("aml-private", "modules/network.bicep", "defaultOutboundAccess: false", "defaultOutboundAccess: true"),
        ("aml-private", "modules/network.bicep", "useRemoteGateways: hubGateway", "useRemoteGateways: true"),
        (
            "databricks-private",
            "platform.bicep",
            "defaultStorageFirewall: 'Enabled'",
            "defaultStorageFirewall: 'Disabled'",
        ),
        ("databricks-private", "platform.bicep", "NoAzureDatabricksRules", "AllRules"),
        ("databricks-private", "platform.bicep", "        value: 'databricks-host'", "        value: 'agents'"),
        ("databricks-private", "platform.bicep", "        value: true", "        value: false"),
        ("aml-rag-private", "modules/ai.bicep", "publicNetworkAccess: 'Disabled'", "publicNetworkAccess: 'Enabled'"),
        ("aml-rag-private", "modules/search.bicep", "'disabled'", "'enabled'"),
        ("aml", "modules/vault.bicep", "enablePurgeProtection: true", "enablePurgeProtection: false"),
        ("aml", "modules/vault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false"),
        ("aml", "modules/vault.bicep", "defaultAction: 'Deny'", "defaultAction: 'Allow'"),
        ("aml", "modules/registry.bicep", "adminUserEnabled: false", "adminUserEnabled: true"),
        ("aml", "modules/monitoring.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
        ("aml", "main.bicep", "hierarchical: false", "hierarchical: true"),
        ("aml", "platform.bicep", "systemDatastoresAuthMode: 'Identity'", "systemDatastoresAuthMode: 'AccessKey'"),
        ("aml", "platform.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
        ("aml", "platform.bicep", "minNodeCount: 0", "minNodeCount: 1"),
        ("databricks", "main.bicep", "hierarchical: true", "hierarchical: false"),
        ("databricks", "modules/storage.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true"),
        ("databricks", "platform.bicep", "        value: true", "        value: false"),
        ("databricks", "platform.bicep", "name: 'premium'", "name: 'standard'"),
        ("databricks", "platform.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'"),
        ("aml-rag", "modules/ai.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
        ("aml-rag", "modules/ai.bicep", "    disableLocalAuth: true\n", ""),
        ("aml-rag", "modules/ai.bicep", "'NoAutoUpgrade'", "'OnceNewDefaultVersionAvailable'"),
        ("aml-rag", "modules/ai.bicep", "    customSubDomainName: name\n", ""),
        ("databricks-rag", "modules/search.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
        ("databricks-rag", "modules/search.bicep", "semanticSearch: 'standard'", "semanticSearch: 'disabled'"),
    ],
)
def test_a_loosened_setting_is_found(project: Path, platform: str, file: str, old: str, new: str) -> None:
    """Turning a guard off, or leaving it to Azure's default, is found."""
    change(project, f"infra/{file}", old, new)
    assert len(setting_problems(project, platform)) == 1


def key_problems(project: Path) -> list[str]:
    """Calls that hand out keys, and passwords of any kind."""
    pattern = re.compile(r"\blist[A-Z]\w*\(|accessPolicies|@secure|[pP]assword|[sS]ecretValue|connectionString")
    return [
        f"{file.name}: {match[0]}"
        for file in bicep_files(project)
        for match in pattern.finditer(file.read_text("utf-8"))
    ]


def test_no_key_is_read_or_written(project: Path) -> None:
    """Nothing lists keys, takes a secret or puts one into an output."""
    assert key_problems(project) == []
    change(project, "infra/modules/storage.bicep", "account.name\n", "account.listKeys().keys[0].value\n")
    assert key_problems(project) == ["storage.bicep: listKeys("]


def lock_problems(project: Path) -> list[str]:
    """Stateful resources without a delete lock in their file that the parameter turns on."""
    locks = {
        (lock.file, lock.body["scope"])
        for lock in resources(project)
        if lock.type == "Microsoft.Authorization/locks" and at(lock.body, "properties.level") == "CanNotDelete"
    }
    made = [resource for resource in resources(project) if resource.type in STATEFUL]
    assert made, "nothing stateful is made"
    return [f"{r.file}:{r.name}" for r in made if (r.file, r.name) not in locks]


def test_what_cannot_be_made_again_can_be_locked(project: Path) -> None:
    """Storage, vault and registry each carry a delete lock that a parameter turns on."""
    assert lock_problems(project) == []
    change(project, "infra/modules/storage.bicep", "scope: account", "scope: other")
    assert lock_problems(project) == ["storage.bicep:account"]


def diagnostic_problems(project: Path) -> list[str]:
    """Resources whose logs nobody keeps, or other logs than decided, and types about which nothing is decided."""
    kept = {
        (found.file, root(found.body["scope"])): [
            log["categoryGroup"] for log in at(found.body, "properties.logs") if log["enabled"]
        ]
        for found in resources(project)
        if found.type == "Microsoft.Insights/diagnosticSettings"
    }
    return [
        f"{made.file}:{made.name}"
        for made in resources(project)
        if made.type not in UNDIAGNOSED and kept.get((made.file, made.name)) != [DIAGNOSED.get(made.type)]
    ]


def test_everything_is_diagnosed(project: Path) -> None:
    """What has logs sends those that were decided to Log Analytics; a new type needs a decision."""
    assert diagnostic_problems(project) == []


@pytest.mark.parametrize(
    ("platform", "file", "old", "new", "finding"),
    [
        ("aml", "modules/vault.bicep", "scope: vault", "scope: other", "vault.bicep:vault"),
        ("aml", "modules/registry.bicep", "enabled: true", "enabled: false", "registry.bicep:registry"),
        (
            "aml",
            "modules/monitoring.bicep",
            "'audit'\n        enabled",
            "'x'\n        enabled",
            "monitoring.bicep:logAnalytics",
        ),
        (
            "aml",
            "modules/insights.bicep",
            "Insights/components@",
            "Insights/webtests@",
            "insights.bicep:applicationInsights",
        ),
        ("databricks", "platform.bicep", "scope: blobService", "scope: catalog", "platform.bicep:blobService"),
        (
            "databricks-private",
            "modules/network.bicep",
            "scope: securityGroups[index]",
            "scope: network",
            "network.bicep:securityGroups",
        ),
        ("aml-private", "modules/network.bicep", "scope: natAddress", "scope: nat", "network.bicep:natAddress"),
    ],
)
def test_missing_diagnostics_are_found(project: Path, file: str, old: str, new: str, finding: str) -> None:
    """Logs of another resource, logs that are off, another kind of logs, and a type that nobody thought of."""
    change(project, f"infra/{file}", old, new)
    assert finding in diagnostic_problems(project)


def tag_problems(project: Path) -> list[str]:
    """Resources that have a place and no tags."""
    return [f"{r.file}:{r.name}" for r in resources(project) if "location" in r.body and r.body.get("tags") != "tags"]


def test_everything_carries_the_tags(project: Path) -> None:
    """Whatever Azure bills by tags has those of the project."""
    assert tag_problems(project) == []
    change(project, "infra/modules/storage.bicep", "  tags: tags\n", "")
    assert tag_problems(project) == ["storage.bicep:account"]


# --- a private network


ZONE_ID = "${zoneGroupId}/providers/Microsoft.Network/privateDnsZones/${zone}"


def public_problems(project: Path) -> list[str]:
    """Whatever is said about public access otherwise than in a literal that shuts it."""
    pattern = re.compile(r"\b(publicNetworkAccess|defaultAction)\b:?(.*)")
    return [
        f"{file.name}: {match[0]}"
        for file in bicep_files(project)
        for match in pattern.finditer(file.read_text("utf-8"))
        if match[2].split("//")[0].strip() not in {"'Disabled'", "'disabled'", "'Deny'"}
    ]


def subnet_problems(project: Path) -> list[str]:
    """Subnets without a guard, rules that let somebody in, and private endpoints that reach out."""
    tree = parse(project / "infra/modules/network.bicep")
    network = body_of(tree["resources"]["network"])
    rules = {name: found["value"] for name, found in tree["variables"].items()}
    listed = subnets(project)
    group = at(network, "properties.subnets.properties.networkSecurityGroup.id")
    found = [] if root(group) == "securityGroups" else ["no group"]
    found += [f"{name}: no rule" for name, subnet in listed.items() if not rules[subnet["rules"]]]
    found += [
        f"{name}: {rule['name']} lets in"
        for name, subnet in listed.items()
        for rule in rules[subnet["rules"]]
        if rule["direction"] == "Inbound" and rule["access"] != "Deny"
    ]
    return found + [
        f"{name}: machines" for name, subnet in listed.items() if subnet["machines"] is (name == "private-endpoints")
    ]


def endpoint_problems(project: Path, platform: str) -> list[str]:
    """Endpoints missing or too many, zones that nobody makes, needs or links, and endpoints that no zone knows."""
    found = sorted({endpoint.key for endpoint in endpoints(project)} ^ PLATFORMS[platform].endpoints)
    wanted = {zone for endpoint in endpoints(project) for zone in zones_of(project)[endpoint.group]}
    found += sorted(wanted ^ zones(project))
    for file, name, over in (("private-dns", "links", "zones"), ("private-endpoints", "names", "endpoints")):
        resource = parse(project / f"infra/modules/{file}.bicep")["resources"].get(name, {})
        if resource.get("config", {}).get("loop_type", {}).get("detail", {}).get("array_name") != over:
            found.append(f"{file}: no {name}")
    made = {resource.name: resource.body for resource in resources(project)}
    if root(at(made.get("links"), "properties.virtualNetwork.id")) != "network":
        found.append("links: another network")
    if at(made.get("names"), "properties.privateDnsZoneConfigs.properties.privateDnsZoneId") != ZONE_ID:
        found.append("names: another zone")
    return found


@pytest.mark.parametrize("platform", PRIVATE)
def test_a_private_network_has_no_other_way_in(project: Path, platform: str) -> None:
    """Public access is off by a literal, each subnet is guarded, each service has an endpoint that the network can name."""
    assert public_problems(project) == []
    assert subnet_problems(project) == []
    assert endpoint_problems(project, platform) == []


@pytest.mark.parametrize("platform", [name for name in PLATFORMS if name not in PRIVATE])
def test_a_public_project_holds_no_private_network(project: Path) -> None:
    """Nothing of it is rendered: no resource type of a network, no parameter, no file."""
    text = "".join(path.read_text("utf-8") for path in (project / "infra").rglob("*") if path.is_file())
    assert not re.search("Microsoft.Network|privateEndpoint|privateDns|egress|managedNetwork", text)


@pytest.mark.parametrize(
    ("platform", "file", "old", "new", "finding"),
    [
        ("aml-private", "modules/vault.bicep", "publicNetworkAccess: 'Disabled'", "publicNetworkAccess: access", "access"),
        ("aml-rag-private", "modules/ai.bicep", "defaultAction: 'Deny'", "defaultAction: 'Allow'", "Allow"),
        ("aml-private", "modules/network.bicep", "securityGroups[index].id\n          }", "nat.id\n          }", "no group"),
        ("aml-private", "modules/network.bicep", "access: 'Deny'", "access: 'Allow'", "DenyInternetInBound lets in"),
        ("aml-private", "modules/network.bicep", "machines: false", "machines: true", "private-endpoints: machines"),
        ("databricks-private", "modules/network.bicep", "rules: signIn", "rules: none", "databricks-host: no rule"),
        ("aml-private", "platform.bicep", "key: 'vault'", "key: 'volt'", "volt"),
        ("aml-private", "main.bicep", "      zones.vault,\n", "", "privatelink.vaultcore.azure.net"),
        ("aml-private", "main.bicep", "zones.vault,", "zones.vault, zones.dfs,", "privatelink.dfs.core.windows.net"),
        ("aml-private", "modules/private-dns.bicep", "(zone, index) in zones", "(zone, index) in []", "no links"),
        ("aml-private", "modules/private-dns.bicep", "id: network.id", "id: other.id", "links: another network"),
        ("aml-private", "modules/private-endpoints.bicep", "resource names", "resource others", "no names"),
        ("aml-private", "modules/private-endpoints.bicep", "privateDnsZones/${zone}", "privateDnsZones/x", "another zone"),
    ],
)  # fmt: skip
def test_a_way_in_is_found(project: Path, platform: str, file: str, old: str, new: str, finding: str) -> None:
    """Public access, an open or unguarded subnet, a missing endpoint, an unlinked zone, an endpoint without its name."""
    change(project, f"infra/{file}", old, new)
    if finding.endswith("no rule"):
        change(project, f"infra/{file}", "var closed", "var none = []\nvar closed")
    problems = public_problems(project) + subnet_problems(project) + endpoint_problems(project, platform)
    assert any(finding in problem for problem in problems), problems


# --- roles


def role_problems(project: Path) -> list[str]:
    """Ids that are no role, roles under a wrong name, and roles that no deployment may assign."""
    loose = {
        (file.name, guid)
        for file in bicep_files(project)
        for guid in page.GUID.findall(file.read_text("utf-8"))
        if guid not in roles(project).values()
    }
    found = [f"{file}: {guid} is outside `roles`" for file, guid in sorted(loose)]
    for name, guid in roles(project).items():
        if page.words(ROLES.get(guid, "")) != page.words(name):
            found.append(f"{name}: {guid} is {ROLES.get(guid, 'no known role')}")
        elif ROLES[guid] in PRIVILEGED:
            found.append(f"{name} may change rights itself")
    return found


def test_roles_are_named_by_id_and_the_id_is_right(project: Path) -> None:
    """Each id is a built-in role of Azure that carries the name given to it, and none can hand out rights."""
    assert role_problems(project) == []


@pytest.mark.parametrize(
    ("platform", "old", "new"),
    [
        ("aml", "acrPull: '7f951dda", "acrPull: '7f951ddb"),
        ("aml", "azureMLComputeOperator: 'e503", "networkReader: 'e503"),
        (
            "aml",
            "azureMLComputeOperator: 'e503ece1-11d0-4e8e-8e2c-7a6c3bf38815'",
            "owner: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'",
        ),
        ("aml", "kind: 'Default'", "kind: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'"),
        ("databricks", "storageBlobDataContributor: '", "storageBlobDataOwner: '"),
    ],
    ids=["invented", "misnamed", "privileged", "outside the table", "another of the same family"],
)
def test_a_wrong_role_is_found(project: Path, old: str, new: str) -> None:
    """An invented id, a right id under another role's name, a privileged role, an id elsewhere in a file."""
    change(project, "infra/platform.bicep", old, new)
    assert len(role_problems(project)) == 1


def assignment_problems(project: Path) -> list[str]:
    """Assignments not named after scope, principal and role, or silent about the kind of principal."""
    found = []
    for resource in resources(project):
        if resource.type != ASSIGNMENTS:
            continue
        name = resource.body["name"]
        parts = set(accessors(name)) if isinstance(name, dict) and at(name, "function.type") == "guid" else set()
        if not {(resource.body["scope"], "id"), ("assignment", "principalId"), ("assignment", "role")} <= parts:
            found.append(f"{resource.file}: name")
        if at(resource.body, "properties.principalType") is None:
            found.append(f"{resource.file}: principalType")
    return found


def test_assignments_can_be_deployed_again(project: Path, platform: str) -> None:
    """An assignment is named after scope, principal and role, so a second deployment changes nothing."""
    kinds = [resource.type for resource in resources(project)]
    assert kinds.count(ASSIGNMENTS) == len({given.scope for given in PLATFORMS[platform].assignments})
    assert assignment_problems(project) == []
    file = "modules/storage-roles.bicep"
    change(project, f"infra/{file}", "guid(account.id, assignment.principalId,", "guid(account.id,")
    assert assignment_problems(project) == ["storage-roles.bicep: name"]


def test_who_gets_which_role(project: Path, platform: str) -> None:
    """The rights that the files give are those decided above, no more and no fewer."""
    assert assignments(project) == sorted(PLATFORMS[platform].assignments, key=astuple)


# --- contract, names, environments


def named(project: Path, platform: str) -> list[tuple[str, str]]:
    """Each name that the files give to a resource, as they write it, with the rule for it."""
    decided = PLATFORMS[platform]
    main = parse(project / "infra/main.bicep")["variables"]
    assert main["baseName"]["value"] == "${workload}-${code}"
    assert main["names"]["value"].keys() == decided.names.keys()
    found = [(main["names"]["value"][key], rule) for key, rule in decided.names.items()]
    made = {resource.name: resource.body["name"] for resource in resources(project)}
    found += [(made[key], rule) for key, rule in decided.platform_names.items()]
    if "rag" in platform.split("-"):
        declared = parse(project / "infra/rag.bicep")["variables"]
        found += [(declared[key]["value"], rule) for key, rule in RAG_NAMES.items()]
    if platform in PRIVATE:
        found += [(made[key], rule) for key, rule in NETWORK_NAMES.items() if key != "securityGroups"]
        for name in subnets(project):
            found += [(name, SUBNET_NAME), (made["securityGroups"].replace("${subnet.name}", name), SUBNET_NAME)]
        keys = [endpoint.key for endpoint in endpoints(project)]
        found += [(made["privateEndpoints"].replace("${endpoint.key}", key), ENDPOINT_NAME) for key in keys]
    return found


def wrong_names(templates: list[tuple[str, str]], workload: str, code: str, region: str) -> list[str]:
    """The names that Azure refuses, for one project in one environment and region, and those given twice."""
    given = {"workload": workload, "code": code, "hash": "a2b3c", "baseName": f"{workload}-{code}", "location": region}
    made = [(interpolate(text, given), rule) for text, rule in templates]
    twice = [name for name, count in Counter(name for name, _ in made).items() if count > 1]
    return [name for name, rule in made if not re.fullmatch(rule, name)] + twice


@pytest.fixture(scope="session")
def workload_of(macros: SandboxedEnvironment) -> Callable[[str], str]:
    """How a parameter file makes the workload of a project's name."""
    text = (ROOT / "template/{{ bicep }}/infra/{{ aml }}/dev.parameters.json.jinja").read_text("utf-8")
    [expression] = re.findall(r'"workload": \{ "value": "\{\{ (.+?) \}\}" \}', text)
    compiled = macros.compile_expression(expression)
    return lambda name: str(compiled(project_name=name))


REGIONS = sorted(yaml.safe_load((ROOT / "extensions/regions.yml").read_text("utf-8")).values())
PROJECT_NAMES = st.from_regex(r"\A[a-z](?:-?[a-z0-9])+\Z").filter(lambda name: 2 <= len(name) <= 20)


def test_names_are_valid(project: Path, platform: str, workload_of: Callable[[str], str]) -> None:
    """Every project name in every region and environment makes names that Azure accepts, none of them twice."""
    templates = named(project, platform)

    @settings(max_examples=200)
    @example(name="ab", region="uksouth")
    @example(name="a-b-c-d-e-f-g-h-i-j", region="germanywestcentral")
    @example(name="abcdefghijklmnopqrst", region="southafricanorth")
    @given(name=PROJECT_NAMES, region=st.sampled_from(REGIONS))
    def every_name_is_valid(name: str, region: str) -> None:
        workload = workload_of(name)
        for code in ENVIRONMENTS.values():
            assert wrong_names(templates, workload, code, region) == []

    every_name_is_valid()


@pytest.mark.parametrize(
    ("platform", "file", "old", "new"),
    [
        ("aml", "main.bicep", "'st${workload}${code}${hash}'", "'st-${workload}${code}${hash}'"),
        ("aml", "main.bicep", "'kv-${workload}-${code}-${hash}'", "'vault-${workload}-${code}-${hash}'"),
        ("databricks", "main.bicep", "'st${workload}${code}${hash}'", "'st${workload}${location}${hash}'"),
        ("databricks-private", "main.bicep", "'dbst$", "'dbroot$"),
        ("aml-private", "platform.bicep", "key: 'blob'", "key: 'file'"),
        ("aml-private", "modules/network.bicep", "'vnet-${baseName}'", "'vnet-${baseName}-'"),
    ],
    ids=["sign", "length", "region", "length of a private one", "twice", "end"],
)
def test_a_name_that_azure_refuses_is_found(project: Path, platform: str, file: str, old: str, new: str) -> None:
    """A sign, a length or an end that Azure does not take, a long region, and a name given twice."""
    assert wrong_names(named(project, platform), "abcdefghij", "prod", "germanywestcentral") == []
    change(project, f"infra/{file}", old, new)
    assert wrong_names(named(project, platform), "abcdefghij", "prod", "germanywestcentral")


def test_shared_names_hold_something_of_the_owner(project: Path, platform: str) -> None:
    """Names shared with others than this resource group end in a hash of its id."""
    text = (project / "infra/main.bicep").read_text("utf-8")
    assert "var hash = take(uniqueString(resourceGroup().id, workload, code), 5)" in text
    declared = parse(project / "infra/main.bicep")["variables"]["names"]["value"]
    assert {key for key, name in declared.items() if name.endswith("${hash}")} == PLATFORMS[platform].hashed
    if "rag" in platform.split("-"):
        variables = parse(project / "infra/rag.bicep")["variables"]
        assert "var hash = take(uniqueString(resourceGroup().id, " in (project / "infra/rag.bicep").read_text("utf-8")
        assert all(variables[key]["value"].endswith("${hash}") for key in RAG_NAMES)


def test_every_environment_gives_the_same_parameters(project: Path) -> None:
    """The three files differ in values only, and each names its own environment and a valid workload."""
    files = {environment: values(project, environment) for environment in ENVIRONMENTS}
    assert len({tuple(given) for given in files.values()}) == 1
    assert {environment: given["environment"] for environment, given in files.items()} == {e: e for e in ENVIRONMENTS}
    assert all(re.fullmatch(r"[a-z][a-z0-9]{1,9}", given["workload"]) for given in files.values())


def test_prod_keeps_what_dev_may_lose(project: Path, platform: str) -> None:
    """Prod is locked, has copies in three zones and keeps deleted data and logs longer; dev is cheap."""
    dev, prod = values(project, "dev"), values(project, "prod")
    assert (dev["deleteLocks"], prod["deleteLocks"]) == (False, True)
    assert prod["storageRedundancy"] in {"Standard_ZRS", "Standard_GZRS"}
    for days in ("dataRecoveryDays", "logRetentionDays"):
        assert prod[days] > dev[days]
    if platform.startswith("aml"):
        assert platform in PRIVATE or prod["registrySku"] != "Basic"
        assert (dev["modelRegistry"], prod["modelRegistry"]) == (False, True)
        assert prod["vaultRecoveryDays"] == 90


def test_documentation_explains_every_parameter(project: Path) -> None:
    """docs/resources.md tells what each parameter means, in words that are its name, and knows no other."""
    assert page.parameters(project) == {page.words(name) for name in declared_parameters(project)}
    change(project, page.PAGE, "| budget emails |", "| budget mails |")
    assert page.parameters(project) != {page.words(name) for name in declared_parameters(project)}


# --- checkov


def checkov(folder: Path) -> Json:
    """One run of checkov's Bicep rules over a folder, without network."""
    executable = tool("CHECKOV", "install checkov==3.3.30 into an environment of its own")
    command = [executable, "-d", str(folder), "--framework", "bicep", "--skip-download", "--quiet", "--compact", "-o"]
    done = subprocess.run(
        [*command, "json"],
        capture_output=True,
        text=True,
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE"},
        timeout=300,
    )
    report: Json = json.loads(done.stdout)
    return report


def failed(report: Json) -> set[str]:
    """The ids of the rules that a report says are broken."""
    return {check["check_id"] for check in report["results"]["failed_checks"]}


def test_checkov_finds_what_is_documented_and_nothing_else(project: Path) -> None:
    """Each file is read by checkov, and docs/resources.md gives a reason for each broken rule and for no other."""
    report = checkov(project / "infra")
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] > 0
    assert report["summary"]["passed"] > 0
    documented = page.checkov_rules(project, "Bicep")
    assert failed(report) == documented


@pytest.mark.parametrize("platform", ["aml"])
def test_checkov_sees_a_fault_and_says_when_it_cannot_read(project: Path) -> None:
    """A registry with an admin user breaks a rule; a file that checkov cannot parse is counted, not passed over."""
    change(project, "infra/modules/registry.bicep", "adminUserEnabled: false", "adminUserEnabled: true")
    change(project, "infra/modules/storage.bicep", "param tags object", "param tags object?")
    report = checkov(project / "infra")
    assert "CKV_AZURE_137" in failed(report)
    assert report["summary"]["parsing_errors"] == 1


@pytest.mark.parametrize("platform", ["aml"])
def test_a_rule_without_a_reason_and_a_stale_one_are_found(project: Path) -> None:
    """Taking a rule out of the table of docs/resources.md, or marking it as the other language's, changes the list."""
    rules = page.checkov_rules(project, "Bicep")
    assert "CKV_AZURE_243" in rules - page.checkov_rules(project, "Terraform")
    change(project, page.PAGE, "| CKV_AZURE_166 |", "| CKV_AZURE_166 (Terraform) |")
    assert rules - page.checkov_rules(project, "Bicep") == {"CKV_AZURE_166"}


# --- tasks


def poe(project: Path, task: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a task of tasks/infra.toml with a bare environment."""
    (project / "pyproject.toml").write_text('[tool.poe]\ninclude = ["tasks/infra.toml"]\n', "utf-8")
    command = [sys.executable, "-m", "poethepoet", "-C", str(project), "-e", "simple", task]
    environment = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize("task", ["infra-plan", "infra-drift", "infra-deploy", "infra-outputs"])
def test_a_task_without_a_resource_group_says_so(project: Path, task: str) -> None:
    """Without AZURE_RESOURCE_GROUP a task ends with one clear line and status 2 before it calls Azure."""
    done = poe(project, task)
    assert done.returncode == 2
    assert "error: AZURE_RESOURCE_GROUP is not set" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("platform", ["aml"])
def test_a_task_for_an_unknown_environment_says_so(project: Path) -> None:
    """An environment without a parameter file ends the task before it calls Azure."""
    done = poe(project, "infra-plan", AZURE_RESOURCE_GROUP="rg", ENVIRONMENT="test")
    assert done.returncode == 2
    assert "there is no infra/test.parameters.json" in done.stderr


def fake_az(project: Path, script: str) -> str:
    """A PATH with Python and, when a script is given, an `az` that is it."""
    folder = project / "fake"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    if script:
        (folder / "az").write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        (folder / "az").chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("platform", ["aml"])
@pytest.mark.parametrize(("script", "status"), [("", 2), ("exit 0", 0)], ids=["missing", "there"])
def test_tools_are_checked_before_they_are_needed(project: Path, script: str, status: int) -> None:
    """`infra-tools` passes with the Azure CLI and otherwise tells in one line where to get it."""
    done = poe(project, "infra-tools", PATH=fake_az(project, script))
    assert done.returncode == status, done.stderr
    assert ("error: az is not installed" in done.stderr) is (status == 2)


def test_outputs_are_printed_one_a_line(project: Path) -> None:
    """`infra-outputs` asks Azure for the outputs of the module `platform` and prints name=value, nothing else."""
    assert "  name: 'platform'\n" in (project / "infra/main.bicep").read_text("utf-8")
    shown = json.dumps({name: {"type": "String", "value": f"the {name}"} for name in sorted(outputs(project))})
    path = fake_az(project, f"case \"$*\" in *'--name platform'*) echo '{shown}' ;; esac")
    done = poe(project, "infra-outputs", PATH=path, AZURE_RESOURCE_GROUP="rg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name}=the {name}" for name in sorted(outputs(project))]


def test_tasks_name_files_that_exist(project: Path) -> None:
    """Every file that a task gives to the Azure CLI is there, in every environment."""
    text = (project / "tasks/infra.toml").read_text("utf-8")
    named = set(re.findall(r"@?(infra/[^\s\"']+\.(?:bicep|json))", text))
    paths = {name.replace("${ENVIRONMENT:-dev}", environment) for name in named for environment in ENVIRONMENTS}
    assert len(paths) == 1 + len(ENVIRONMENTS)
    assert [path for path in paths if not (project / path).is_file()] == []
