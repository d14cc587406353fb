"""Bicep and Terraform of one platform make the same things, so the choice of a language is a matter of taste.

Both are read without their compilers and without Azure, by bicep_project and terraform_files. Where one language says in two
resources what the other says in one, or cannot say something at all, the reason is written down here; all else is equal.
Each comparison is also shown two projects that differ and must turn red.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bicep_project as bicep
import pytest
import terraform_files as terraform
from bicep_types import Json, accessors, body_of, parse, unwrapped
from conftest import Matrix
from platform_outputs import OUTPUTS, variants_of
from test_bicep import PLATFORMS

STORAGE = "Microsoft.Storage/storageAccounts"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
VAULT = "Microsoft.KeyVault/vaults"
REGISTRY = "Microsoft.ContainerRegistry/registries"
LOGS = "Microsoft.OperationalInsights/workspaces"
INSIGHTS = "Microsoft.Insights/components"
DIAGNOSTICS = "Microsoft.Insights/diagnosticSettings"
LOCK = "Microsoft.Authorization/locks"
BUDGET = "Microsoft.Consumption/budgets"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
AML = "Microsoft.MachineLearningServices/workspaces"
COMPUTE = "Microsoft.MachineLearningServices/workspaces/computes"
DATABRICKS = "Microsoft.Databricks/workspaces"
CONNECTOR = "Microsoft.Databricks/accessConnectors"
ACCOUNT = "Microsoft.CognitiveServices/accounts"
MODEL = "Microsoft.CognitiveServices/accounts/deployments"
SEARCH = "Microsoft.Search/searchServices"
MODELS = "Microsoft.MachineLearningServices/registries"
OUTBOUND = "Microsoft.MachineLearningServices/workspaces/outboundRules"
NETWORK = "Microsoft.Network/virtualNetworks"
PEERING = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings"
RULES = "Microsoft.Network/networkSecurityGroups"
ADDRESS = "Microsoft.Network/publicIPAddresses"
NAT = "Microsoft.Network/natGateways"
ROUTES = "Microsoft.Network/routeTables"
ENDPOINT = "Microsoft.Network/privateEndpoints"
ZONE = "Microsoft.Network/privateDnsZones"
LINK = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"

# What azapi makes has Azure's own type in Terraform too.
TYPES = {
    STORAGE: "azurerm_storage_account",
    CONTAINER: "azurerm_storage_container",
    VAULT: "azurerm_key_vault",
    REGISTRY: "azurerm_container_registry",
    LOGS: "azurerm_log_analytics_workspace",
    INSIGHTS: "azurerm_application_insights",
    DIAGNOSTICS: "azurerm_monitor_diagnostic_setting",
    LOCK: "azurerm_management_lock",
    BUDGET: "azurerm_consumption_budget_resource_group",
    IDENTITY: "azurerm_user_assigned_identity",
    AML: "azurerm_machine_learning_workspace",
    COMPUTE: "azurerm_machine_learning_compute_cluster",
    DATABRICKS: "azurerm_databricks_workspace",
    CONNECTOR: "azurerm_databricks_access_connector",
    ACCOUNT: "azurerm_cognitive_account",
    MODEL: "azurerm_cognitive_deployment",
    SEARCH: "azurerm_search_service",
    MODELS: MODELS,
    NETWORK: "azurerm_virtual_network",
    PEERING: "azurerm_virtual_network_peering",
    RULES: "azurerm_network_security_group",
    ADDRESS: "azurerm_public_ip",
    NAT: "azurerm_nat_gateway",
    ROUTES: "azurerm_route_table",
    ENDPOINT: "azurerm_private_endpoint",
    ZONE: "azurerm_private_dns_zone",
    LINK: "azurerm_private_dns_zone_virtual_network_link",
}
# Types that count differently, with the reason.
BICEP_ONLY = {
    BLOBS: "in Terraform a block of the storage account",
    bicep.ASSIGNMENTS: "one loop a scope; compared right by right instead",
}
PRIVATE_BICEP_ONLY = {"Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "in Terraform a block of the endpoint"}
FIREWALL = "azurerm_storage_account_network_rules"
TERRAFORM_ONLY = {
    "azurerm_role_assignment": "one loop for all scopes; compared right by right instead",
    FIREWALL: "in Bicep a property of the storage account",
}
PRIVATE_TERRAFORM_ONLY = {
    "azurerm_subnet": "in Bicep a part of the network; compared one by one instead",
    "azurerm_subnet_network_security_group_association": "in Bicep a property of the subnet",
    "azurerm_subnet_nat_gateway_association": "in Bicep a property of the subnet",
    "azurerm_subnet_route_table_association": "in Bicep a property of the subnet",
    "azurerm_nat_gateway_public_ip_association": "in Bicep a property of the gateway",
    "terraform_data": "makes endpoints anew where Bicep writes their names anew",
}
OF_ML_TERRAFORM_ONLY = {
    "azapi_update_resource": "the firewall of the managed network, in Bicep a property of the workspace",
    OUTBOUND: "queue and table stand in the workspace in Bicep; compared rule by rule instead",
}
# Compared in another way, so their number says nothing.
UNCOUNTED = frozenset({OUTBOUND})


def bicep_only(kind: str) -> dict[str, str]:
    """The types that only Bicep has in a kind of infrastructure."""
    return BICEP_ONLY | (PRIVATE_BICEP_ONLY if kind.endswith("-private") else {})


def terraform_only(kind: str) -> dict[str, str]:
    """The same of Terraform."""
    found = TERRAFORM_ONLY | (PRIVATE_TERRAFORM_ONLY if kind.endswith("-private") else {})
    return found | (OF_ML_TERRAFORM_ONLY if kind.startswith("aml") and kind.endswith("-private") else {})


def type_of(resource: terraform.Resource) -> str:
    """The type of a Terraform resource; Azure's own where azapi makes it."""
    return str(resource.body["type"]).split("@")[0] if resource.type == "azapi_resource" else resource.type


# Where each setting stands, by type. `not` before a Terraform path: the opposite is said there.
Paths = Mapping[str, str]
SETTINGS: Mapping[str, Paths] = {
    STORAGE: {
        "kind": "account_kind",
        "sku.name": "account_replication_type",
        "properties.accessTier": "access_tier",
        "properties.isHnsEnabled": "is_hns_enabled",
        "properties.allowSharedKeyAccess": "shared_access_key_enabled",
        "properties.defaultToOAuthAuthentication": "default_to_oauth_authentication",
        "properties.allowBlobPublicAccess": "allow_nested_items_to_be_public",
        "properties.allowCrossTenantReplication": "cross_tenant_replication_enabled",
        "properties.isLocalUserEnabled": "local_user_enabled",
        "properties.minimumTlsVersion": "min_tls_version",
        "properties.supportsHttpsTrafficOnly": "https_traffic_only_enabled",
        "properties.publicNetworkAccess": "public_network_access_enabled",
        "properties.networkAcls.bypass": "network_rules.bypass",
        "properties.networkAcls.defaultAction": "network_rules.default_action",
    },
    BLOBS: {
        "properties.deleteRetentionPolicy.days": "blob_properties.delete_retention_policy.days",
        "properties.containerDeleteRetentionPolicy.days": "blob_properties.container_delete_retention_policy.days",
    },
    CONTAINER: {"properties.publicAccess": "container_access_type"},
    VAULT: {
        "properties.sku.name": "sku_name",
        "properties.enableRbacAuthorization": "rbac_authorization_enabled",
        "properties.enablePurgeProtection": "purge_protection_enabled",
        "properties.softDeleteRetentionInDays": "soft_delete_retention_days",
        "properties.publicNetworkAccess": "public_network_access_enabled",
        "properties.networkAcls.bypass": "network_acls.bypass",
        "properties.networkAcls.defaultAction": "network_acls.default_action",
    },
    REGISTRY: {
        "sku.name": "sku",
        "properties.adminUserEnabled": "admin_enabled",
        "properties.anonymousPullEnabled": "anonymous_pull_enabled",
        "properties.publicNetworkAccess": "public_network_access_enabled",
        "properties.networkRuleBypassOptions": "network_rule_bypass_option",
    },
    LOGS: {
        "properties.sku.name": "sku",
        "properties.retentionInDays": "retention_in_days",
        "properties.features.disableLocalAuth": "not local_authentication_enabled",
        "properties.features.enableLogAccessUsingOnlyResourcePermissions": "allow_resource_only_permissions",
    },
    INSIGHTS: {"properties.Application_Type": "application_type"},
    BUDGET: {"properties.amount": "amount", "properties.timeGrain": "time_grain"},
    AML: {
        "kind": "kind",
        "sku.name": "sku_name",
        "identity.type": "identity.type",
        "properties.systemDatastoresAuthMode": "storage_account_access_type",
        "properties.publicNetworkAccess": "public_network_access_enabled",
        "properties.v1LegacyMode": "v1_legacy_mode_enabled",
    },
    COMPUTE: {
        "identity.type": "identity.type",
        "properties.disableLocalAuth": "not local_auth_enabled",
        "properties.properties.vmSize": "vm_size",
        "properties.properties.vmPriority": "vm_priority",
        "properties.properties.remoteLoginPortPublicAccess": "ssh_public_access_enabled",
        "properties.properties.enableNodePublicIp": "node_public_ip_enabled",
        "properties.properties.scaleSettings.minNodeCount": "scale_settings.min_node_count",
        "properties.properties.scaleSettings.maxNodeCount": "scale_settings.max_node_count",
        "properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown": (
            "scale_settings.scale_down_nodes_after_idle_duration"
        ),
    },
    DATABRICKS: {
        "sku.name": "sku",
        "properties.managedResourceGroupId": "managed_resource_group_name",
        "properties.publicNetworkAccess": "public_network_access_enabled",
        "properties.requiredNsgRules": "network_security_group_rules_required",
        "properties.parameters.enableNoPublicIp.value": "custom_parameters.no_public_ip",
    },
    CONNECTOR: {"identity.type": "identity.type"},
    MODELS: {
        "identity.type": "identity.type",
        "properties.publicNetworkAccess": "body.properties.publicNetworkAccess",
        "properties.regionDetails.acrDetails.systemCreatedAcrAccount.acrAccountSku": (
            "body.properties.regionDetails.acrDetails.systemCreatedAcrAccount.acrAccountSku"
        ),
        **{
            f"properties.regionDetails.storageAccountDetails.systemCreatedStorageAccount.{name}": (
                f"body.properties.regionDetails.storageAccountDetails.systemCreatedStorageAccount.{name}"
            )
            for name in ("storageAccountType", "storageAccountHnsEnabled", "allowBlobPublicAccess")
        },
    },
    PEERING: {
        "name": "name",
        "properties.remoteVirtualNetwork.id": "remote_virtual_network_id",
        "properties.allowVirtualNetworkAccess": "allow_virtual_network_access",
        "properties.allowForwardedTraffic": "allow_forwarded_traffic",
        "properties.allowGatewayTransit": "allow_gateway_transit",
        "properties.useRemoteGateways": "use_remote_gateways",
    },
    ADDRESS: {"sku.name": "sku", "properties.publicIPAllocationMethod": "allocation_method"},
    NAT: {"sku.name": "sku_name"},
    ROUTES: {
        "properties.disableBgpRoutePropagation": "not bgp_route_propagation_enabled",
        "properties.routes.name": "route.name",
        "properties.routes.properties.addressPrefix": "route.address_prefix",
        "properties.routes.properties.nextHopType": "route.next_hop_type",
        "properties.routes.properties.nextHopIpAddress": "route.next_hop_in_ip_address",
    },
    NETWORK: {"properties.addressSpace.addressPrefixes": "address_space"},
    LINK: {"properties.registrationEnabled": "registration_enabled"},
    ACCOUNT: {
        "kind": "kind",
        "sku.name": "sku_name",
        "identity.type": "identity.type",
        "properties.customSubDomainName": "custom_subdomain_name",
        "properties.disableLocalAuth": "not local_auth_enabled",
        "properties.publicNetworkAccess": "public_network_access_enabled",
        "properties.networkAcls.bypass": "network_acls.bypass",
        "properties.networkAcls.defaultAction": "network_acls.default_action",
    },
    MODEL: {
        "name": "name",
        "sku.name": "sku.name",
        "sku.capacity": "sku.capacity",
        "properties.model.format": "model.format",
        "properties.model.name": "model.name",
        "properties.model.version": "model.version",
        "properties.versionUpgradeOption": "version_upgrade_option",
        "properties.raiPolicyName": "rai_policy_name",
    },
    SEARCH: {
        "sku.name": "sku",
        "identity.type": "identity.type",
        "properties.disableLocalAuth": "not local_authentication_enabled",
        "properties.semanticSearch": "semantic_search_sku",
        "properties.replicaCount": "replica_count",
        "properties.partitionCount": "partition_count",
        "properties.publicNetworkAccess": "public_network_access_enabled",
        "properties.networkRuleSet.bypass": "network_rule_bypass_option",
    },
}
# What stands only where the network is private.
PRIVATE_SETTINGS: Mapping[str, Paths] = {
    AML: {
        "properties.managedNetwork.isolationMode": "managed_network.isolation_mode",
        "properties.provisionNetworkNow": "managed_network.provision_on_creation_enabled",
        "properties.imageBuildCompute": "image_build_compute_name",
    },
    DATABRICKS: {
        "properties.defaultStorageFirewall": "default_storage_firewall_enabled",
        "properties.accessConnector.id": "access_connector_id",
        "properties.parameters.customVirtualNetworkId.value": "custom_parameters.virtual_network_id",
        "properties.parameters.customPublicSubnetName.value": "custom_parameters.public_subnet_name",
        "properties.parameters.customPrivateSubnetName.value": "custom_parameters.private_subnet_name",
        "properties.parameters.storageAccountName.value": "custom_parameters.storage_account_name",
    },
}


def settings_of(kind: str) -> dict[str, dict[str, str]]:
    """Where each setting stands in a kind of infrastructure."""
    private = PRIVATE_SETTINGS if kind.endswith("-private") else {}
    return {name: {**SETTINGS.get(name, {}), **private.get(name, {})} for name in SETTINGS.keys() | private.keys()}


# Decided in test_bicep and not said in Terraform, because there it cannot be otherwise.
IMPLIED = {
    (DATABRICKS, "properties.accessConnector.identityType"): "the connector has one identity",
    (VAULT, "properties.enableSoftDelete"): "Terraform's vaults always have it",
    (BLOBS, "properties.deleteRetentionPolicy.enabled"): "the block turns it on",
    (BLOBS, "properties.containerDeleteRetentionPolicy.enabled"): "the block turns it on",
}
# Compared in another way.
ELSEWHERE = {
    (NETWORK, "properties.subnets.properties.defaultOutboundAccess"): "with the subnets",
    (AML, "properties.managedNetwork.firewallSku"): "with the rules of the managed network",
}
# The same meaning in other words: Bicep's value, then Terraform's.
SAME = {
    ("plan.addressPrefixes", "${local.network.addressPrefixes}"),
    ("hubNetworkId", "${var.hub_network_id}"),
    ("hubGateway", "${var.hub_gateway}"),
    ("accessConnector.id", "${azurerm_databricks_access_connector.main.id}"),
    ("networkId", "${azurerm_virtual_network.main.id}"),
    ("network.outputs.id", "${azurerm_virtual_network.main.id}"),
    ("databricks-host", '${azurerm_subnet.main["databricks-host"].name}'),
    ("databricks-container", '${azurerm_subnet.main["databricks-container"].name}'),
    ("names.workspaceStorageAccount", "${local.root_storage_name}"),
    ("SystemAssigned,UserAssigned", "SystemAssigned, UserAssigned"),
    ("None", "private"),
    ("AzureServices", ("AzureServices",)),
    ("storageRedundancy", '${split("_", var.storage_redundancy)[1]}'),
    ("computeVmSize", "${upper(var.compute_vm_size)}"),  # Azure answers in capitals
    ("name", "${local.account_name}"),
    ("model.name", "${each.value.name}"),
    ("model.sku", "${each.value.sku}"),
    ("model.capacity", "${each.value.capacity}"),
    ("model.version", "${each.value.version}"),
    ("sku", "${local.rag.search.sku}"),
    ("replicas", "${local.rag.search.replicas}"),
    ("partitions", "${local.rag.search.partitions}"),
    ("${subscription().id}/resourceGroups/${managedResourceGroupName}", "rg-dbw-${local.base_name}-${local.hash}"),
}
# A switch in other words, by setting and Terraform's value.
SWITCHES = {
    ("publicNetworkAccess", "Enabled"): True,
    ("publicNetworkAccess", "Disabled"): False,
    ("remoteLoginPortPublicAccess", "Disabled"): False,
    ("defaultStorageFirewall", "Enabled"): True,
}

# Parameters that one language has more of, or checks better, with the reason.
TERRAFORM_PARAMETERS = {"resource_group_name": "a deployment of Bicep goes into a group that the command names"}
OTHER_DEFAULTS = {"location": "Bicep knows the region of the group before it starts, Terraform does not"}
PATTERNS = {
    "workload": "Bicep checks the length only",
    "budget_start_date": "Bicep has no patterns",
}
PRIVATE_PATTERNS = {"private_dns_group_id": "Bicep has no patterns", "hub_network_id": "Bicep has no patterns"}


def patterns_of(kind: str) -> dict[str, str]:
    """The parameters that Terraform checks better in a kind of infrastructure."""
    hosts = {"package_hosts": "Bicep has no patterns"} if kind.startswith("aml") else {}
    return PATTERNS | (PRIVATE_PATTERNS | hosts if kind.endswith("-private") else {})


@dataclass(frozen=True)
class Pair:
    """One platform in both languages, each in a folder to break at will."""

    platform: str
    bicep: Path
    terraform: Path


@pytest.fixture(params=OUTPUTS)
def platform(request: pytest.FixtureRequest) -> str:
    """Each platform in turn; a test of one platform's file gives its own."""
    return str(request.param)


@pytest.fixture
def pair(matrix: Matrix, platform: str, tmp_path: Path) -> Pair:
    """The infrastructure of a platform, twice."""
    for language in ("bicep", "terraform"):
        variant = variants_of(platform, language, matrix.projects)[0]
        shutil.copytree(matrix.projects[variant] / "infra", tmp_path / language / "infra")
    return Pair(platform, tmp_path / "bicep", tmp_path / "terraform")


def snake(name: str) -> str:
    """`computeVmSize` in Terraform's way: compute_vm_size."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


# --- outputs


def output_problems(pair: Pair) -> list[str]:
    """Outputs that are not exactly the contract's."""
    found = {"bicep": bicep.outputs(pair.bicep), "terraform": terraform.outputs(pair.terraform)}
    return [f"{language}: {name}" for language in found for name in sorted(found[language] ^ OUTPUTS[pair.platform])]


# --- resources


def resource_problems(pair: Pair) -> list[str]:
    """Types without a counterpart, and types of which one language makes more."""
    ours = Counter(made.type for made in bicep.resources(pair.bicep))
    theirs = Counter(type_of(made) for made in terraform.made(pair.terraform))
    unknown = [f"bicep: {kind}" for kind in ours.keys() - TYPES.keys() - bicep_only(pair.platform).keys() - UNCOUNTED]
    known = set(TYPES.values()) | terraform_only(pair.platform).keys()
    unknown += [f"terraform: {kind}" for kind in theirs.keys() - known]
    return unknown + [
        f"{TYPES[kind]}: {ours[kind]} in Bicep, {theirs[TYPES[kind]]} in Terraform"
        for kind in TYPES
        if ours[kind] != theirs[TYPES[kind]]
    ]


# --- what the resources are like


def step(value: Any, path: str) -> Any:
    """The value at a dotted path of a body, in which a block may be a list of one; None when it is not there."""
    for key in path.split("."):
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        value = unwrapped(value.get(key)) if isinstance(value, dict) else None
    return value


def plain(value: Any) -> Any:
    """A Bicep value to compare: `a.b` and `a == b ? c : d` as one line, all else as it is.

    pycep reads the second as a == (b ? c : d).
    """
    if bicep.at(value, "operator.type") == "property_accessor":
        return ".".join(next(accessors(value)))
    operands = bicep.at(value, "operator.operands")
    chosen = bicep.at(operands, "operand_2.operator.operands")
    if not chosen or "condition" not in chosen:
        return value
    return f"{operands['operand_1']} == {chosen['condition']} ? {chosen['true_value']} : {chosen['false_value']}"


def arguments(project: Path) -> dict[tuple[str, str], Any]:
    """What main.bicep gives to the parameters of each module, by the module's file and the parameter."""
    return {
        (Path(module["detail"]["path"]).name, name): value
        for module in parse(project / "infra/main.bicep")["modules"].values()
        for name, value in body_of(module).get("params", {}).items()
    }


def literals(project: Path) -> dict[str, Any]:
    """The locals of a Terraform project that are plain values, as they are referred to."""
    return {
        f"${{local.{name}}}": value
        for _, block in terraform.blocks(project, "locals")
        for name, value in block.items()
        if isinstance(value, bool)
    }


def is_same(ours: Any, theirs: Any) -> bool:
    """Whether a Bicep value and a Terraform value mean the same."""
    theirs = tuple(theirs) if isinstance(theirs, list) else theirs
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, dict):
        return False  # an expression that is compared nowhere: say it in plain words, or teach `plain` to read it
    return ours == theirs or (ours, theirs) in SAME or (isinstance(ours, str) and theirs == f"${{var.{snake(ours)}}}")


def setting_problems(pair: Pair) -> list[str]:
    """Settings that one language does not say, or says otherwise."""
    given, known = arguments(pair.bicep), literals(pair.terraform)
    blocks = {type_of(resource): resource.body for resource in terraform.made(pair.terraform)}
    blocks[TYPES[STORAGE]] = {**blocks[TYPES[STORAGE]], "network_rules": blocks.get(FIREWALL)}
    found = []
    for resource in bicep.resources(pair.bicep):
        body = blocks.get(TYPES.get(STORAGE if resource.type == BLOBS else resource.type, ""), {})
        for path, counterpart in settings_of(pair.platform).get(resource.type, {}).items():
            ours = plain(step(resource.body, path))
            ours = plain(given.get((resource.file, ours), ours)) if isinstance(ours, str) else ours
            theirs = step(body, counterpart.removeprefix("not "))
            theirs = known.get(theirs, theirs) if isinstance(theirs, str) else theirs
            if counterpart.startswith("not ") and isinstance(theirs, bool):
                theirs = not theirs
            if isinstance(ours, str) and isinstance(theirs, bool):
                ours = SWITCHES.get((path.split(".")[-1], ours.capitalize()), ours)
            if ours is None or not is_same(ours, theirs):
                found.append(f"{resource.type} {path}: {ours!r} in Bicep, {theirs!r} in Terraform")
    return found


def test_every_decided_setting_is_compared(platform: str) -> None:
    """A setting that test_bicep holds fast is compared here, or has a reason why not."""
    decided = {(kind, path) for kind, paths in PLATFORMS[platform].settings.items() for path in paths}
    compared = {(kind, path) for kind, paths in settings_of(platform).items() for path in paths}
    assert decided - IMPLIED.keys() - ELSEWHERE.keys() <= compared


# --- names


# Named after something else: the settings of models are compared, names of the others decide nothing.
NAMED_OTHERWISE = {
    LOCK,
    DIAGNOSTICS,
    BLOBS,
    MODEL,
    bicep.ASSIGNMENTS,
    OUTBOUND,
    ENDPOINT,
    ZONE,
    LINK,
    RULES,
    *PRIVATE_BICEP_ONLY,
}
Names = dict[str, set[str]]


def bicep_names(project: Path) -> Names:
    """The names of the resources that have one of their own, by type, with what stands behind `names` put in."""
    main, given = parse(project / "infra/main.bicep"), arguments(project)
    declared = main["variables"]["names"]["value"] | more_names(project)
    base = main["variables"]["baseName"]["value"]
    found: Names = {}
    for resource in bicep.resources(project):
        if resource.type in NAMED_OTHERWISE:
            continue
        name = resource.body["name"]
        if name == "name":
            name = declared.get(resource.file) or declared[behind(project, given, resource.file)]
        found.setdefault(resource.type, set()).add(name.replace("${baseName}", base))
    if DATABRICKS in found:
        found["managed resource group"] = {declared["managedResourceGroup"]}
    return found


def behind(project: Path, given: Mapping[tuple[str, str], Any], file: str) -> str:
    """Which entry of `names` a module gets as its name, from main.bicep or by way of platform.bicep."""
    if (file, "name") in given:
        return next(accessors(given[file, "name"]))[-1]
    modules = parse(project / "infra/platform.bicep")["modules"].values()
    [called] = [module for module in modules if Path(module["detail"]["path"]).name == file]
    return next(accessors(given["platform.bicep", body_of(called)["params"]["name"]]))[-1]


def more_names(project: Path) -> dict[str, str]:
    """The names that rag.bicep gives, where there is one, by the file of the module that gets them."""
    path = project / "infra/rag.bicep"
    if not path.is_file():
        return {}
    tree = parse(path)
    given = {Path(module["detail"]["path"]).name: body_of(module)["params"] for module in tree["modules"].values()}
    return {file: tree["variables"][params["name"]]["value"] for file, params in given.items() if "name" in params}


def terraform_names(project: Path) -> Names:
    """The same of a Terraform project, written in Bicep's way."""
    kinds = {theirs: kind for kind, theirs in TYPES.items() if kind not in NAMED_OTHERWISE}
    given = {f"${{local.{name}}}": value for name, value in local_values(project).items() if isinstance(value, str)}
    found: Names = {}
    for made in terraform.made(project):
        if kind := kinds.get(type_of(made)):
            found.setdefault(kind, set()).add(written(made.body["name"], given))
        if made.type == TYPES[DATABRICKS]:
            found["managed resource group"] = {written(made.body["managed_resource_group_name"], given)}
    return found


def local_values(project: Path) -> Json:
    """The locals of a Terraform project."""
    return {name: value for _, block in terraform.blocks(project, "locals") for name, value in block.items()}


def written(name: str, given: Mapping[str, str]) -> str:
    """A name with the locals in it put in, as Bicep writes it. A hash and a code stay: they are each language's own."""
    for _ in range(2):  # a local that names another one
        for reference_, value in given.items():
            if reference_ not in {"${local.hash}", "${local.code}"}:
                name = name.replace(reference_, value)
    return re.sub(r"\$\{(?:local|var)\.", "${", name)


def name_problems(pair: Pair) -> list[str]:
    """Resources that are called differently; the hash itself is each language's own."""
    ours, theirs = bicep_names(pair.bicep), terraform_names(pair.terraform)
    return [
        f"{kind}: {ours.get(kind)} in Bicep, {theirs.get(kind)} in Terraform"
        for kind in sorted(ours.keys() | theirs.keys())
        if ours.get(kind) != theirs.get(kind)
    ]


# --- rights, locks, logs and budget: what hangs on other resources

Facts = Counter[tuple[Any, ...]]


def reference(text: str) -> str:
    """What a Terraform expression refers to: the type of a resource, or `var.` and the name."""
    parts = text.removeprefix("${").removeprefix("one(").split(".")
    if parts[0] == "azapi_resource":
        return {"model_registry": MODELS}[re.split(r"\W", parts[1])[0]]
    return f"var.{parts[1].removesuffix('}')}" if parts[0] == "var" else parts[0]


def bicep_rights(project: Path) -> Facts:
    """(scope, principal, kind of principal, id of the role), in Terraform's words."""
    made, given = principals(project)
    modules = [module for file in bicep.granting(project) for module in parse(file)["modules"].values()]
    found: Facts = Counter()
    for module in modules:
        called = parse(project / "infra" / module["detail"]["path"])
        for entry in body_of(module)["params"].get("assignments", []):
            [scope] = [resource["type"] for resource in called["resources"].values() if resource["existing"]]
            role = bicep.roles(project)[next(accessors(entry["role"]))[-1]]
            for who in bicep.principals(module, entry["principalId"]):
                holder = given.get(who, who)
                principal = TYPES[made[holder]] if holder in made else f"var.{snake(holder)}"
                found[TYPES[scope], principal, entry["principalType"], role] += 1
    return found


def principals(project: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The types of the resources that may hold a role, and the resources behind what platform.bicep gives to rag.bicep."""
    made = {
        name: resource["type"]
        for file in bicep.granting(project)
        for name, resource in parse(file).get("resources", {}).items()
    }
    module = parse(project / "infra/platform.bicep")["modules"].get("rag")
    given = body_of(module)["params"] if module else {}
    return made, {name: next(accessors(value))[0] for name, value in given.items() if isinstance(value, dict)}


def terraform_rights(project: Path) -> Facts:
    """The same, of a role assignment for itself and of one for each entry of `local.rights` or `local.rag_rights`."""
    values = local_values(project)
    found: Facts = Counter()
    for made in terraform.made(project):
        if made.type != "azurerm_role_assignment":
            continue
        if "for_each" not in made.body:
            role = re.search(r"local\.roles\.(\w+)", made.body["role_definition_id"])
            right = (made.body["scope"], made.body["principal_id"], made.body["principal_type"], role and role[1])
            found[right_of(*right, values["roles"])] += 1
            continue
        listed = re.search(r"local\.(rag_)?rights", made.body["for_each"])
        if not listed:
            found.update(rights_of_loop(made, values))
            continue
        roles, scopes, who_is, rights = (
            values[f"{listed[1] or ''}{name}"] for name in ("roles", "scopes", "principals", "rights")
        )
        for entry in rights:
            who = who_is[entry["who"]]
            named, kind = (who["id"], who["type"]) if isinstance(who, dict) else (who, made.body["principal_type"])
            principal: str = values.get(named.removeprefix("${local.").removesuffix("}")) or named
            found[right_of(scopes[entry["on"]], principal, kind, entry["role"], roles)] += 1
    return found


def rights_of_loop(made: terraform.Resource, values: Json) -> list[tuple[Any, ...]]:
    """The rights of a loop over ids of principals, or over `local.reached`, whose entries stand in `local.reachable`."""
    role = re.search(r"local\.(\w+)\.(\w+)", made.body["role_definition_id"].removeprefix("${local.role_definitions}"))
    assert role, made.name
    if made.body["for_each"] == "${local.reached}":
        scope = made.body["scope"]
        entries = [entry["id"] if scope == "${each.value.id}" else scope for entry in values["reachable"].values()]
        who, scopes = [made.body["principal_id"]], entries
    else:
        assert made.body["principal_id"] == "${each.key}", made.name
        who = [f"${{var.{name}}}" for name in re.findall(r"var\.(\w+_ids?)\b", made.body["for_each"])]
        scopes = [made.body["scope"]]
    kind = made.body["principal_type"]
    return [right_of(scope, principal, kind, role[2], values[role[1]]) for scope in scopes for principal in who]


def right_of(scope: str, principal: str, kind: str, role: str | None, roles: Any) -> tuple[Any, ...]:
    """One right as bicep_rights writes it."""
    return reference(scope), reference(principal), kind, roles.get(role, role)


def bicep_attached(project: Path) -> Facts:
    """Locks, diagnostic settings and notifications of the budget, each with what it hangs on."""
    found: Facts = Counter()
    for resource in bicep.resources(project):
        body, properties = resource.body, resource.body.get("properties", {})
        types = {made.name: made.type for made in bicep.resources(project) if made.file == resource.file}
        if resource.type == LOCK:
            found[TYPES[scoped(types, body)], body["name"], properties["level"], properties["notes"]] += 1
        if resource.type == DIAGNOSTICS:
            logs = tuple(log["categoryGroup"] for log in properties["logs"] if log["enabled"])
            found[TYPES[scoped(types, body)], body["name"], logs] += 1
        if resource.type == BUDGET:
            for mail in properties["notifications"].values():
                found["budget", mail["operator"], mail["threshold"], mail["thresholdType"]] += mail["enabled"]
    return found


def scoped(types: Mapping[str, str], body: Json) -> str:
    """The type of what a resource hangs on: an entry of a loop, or a thing; blobs are the storage account's."""
    scope = body["scope"] if isinstance(body["scope"], str) else body["scope"]["operator"]["operands"]["operand_1"]
    return STORAGE if types[scope] == BLOBS else types[scope]


def terraform_attached(project: Path) -> Facts:
    """The same of a Terraform project."""
    found: Facts = Counter()
    for resource in terraform.made(project):
        body = resource.body
        if resource.type == TYPES[LOCK]:
            assert "var.delete_locks" in body["count"]
            found[reference(body["scope"]), body["name"], body["lock_level"], body["notes"]] += 1
        if resource.type == TYPES[DIAGNOSTICS]:
            logs = tuple(log["category_group"] for log in body["enabled_log"])
            found[reference(body["target_resource_id"]), body["name"], logs] += 1
        if resource.type == TYPES[BUDGET]:
            for mail in body["notification"]:
                found["budget", mail["operator"], mail["threshold"], mail["threshold_type"]] += 1
    return found


def difference(ours: Facts, theirs: Facts) -> list[str]:
    """What only one of the two has."""
    assert ours, "nothing to compare"
    return [f"Bicep only: {fact}" for fact in ours - theirs] + [f"Terraform only: {fact}" for fact in theirs - ours]


def right_problems(pair: Pair) -> list[str]:
    """Rights that only one language gives."""
    return difference(bicep_rights(pair.bicep), terraform_rights(pair.terraform))


def attached_problems(pair: Pair) -> list[str]:
    """Locks, logs and mails that only one language has, or words differently."""
    forecast = ("budget", "GreaterThanOrEqualTo", 100)  # the Bicep type says Forecasted as well
    assert any(fact[:3] == forecast for fact in bicep_attached(pair.bicep))
    return difference(bicep_attached(pair.bicep), terraform_attached(pair.terraform))


# --- the private network


def resolved(value: Any, values: Mapping[str, Any]) -> Any:
    """A Terraform value, or that of the local which it names."""
    return values[value[8:-1]] if isinstance(value, str) and value.startswith("${local.") else value


def bicep_network(project: Path) -> Facts:
    """Endpoints with their zones, subnets with their rules, and what machines of Azure ML may reach."""
    tree, main = parse(project / "infra/modules/network.bicep"), parse(project / "infra/main.bicep")
    known, base = tree["variables"], main["variables"]["baseName"]["value"]
    zones = bicep.zones_of(project)
    found: Facts = Counter()
    for endpoint in bicep.endpoints(project):
        found["endpoint", endpoint.key, endpoint.group, tuple(zones[endpoint.group])] += 1
    for name, subnet in bicep.subnets(project).items():
        delegations = [known[entry]["value"] for entry in subnet["delegations"]]
        services = tuple((entry["name"], entry["properties"]["serviceName"]) for entry in delegations)
        found["subnet", name, next(accessors(subnet["range"]))[-1], subnet["machines"], services] += 1
        for rule in known[subnet["rules"]]["value"]:
            found["rule", name, *sorted(rule.items())] += 1
    for made in bicep.resources(project):
        if made.type == NETWORK:
            found["way out by default", step(made.body, "properties.subnets.properties.defaultOutboundAccess")] += 1
        if made.type in {RULES, ENDPOINT}:
            found["name", re.sub(r"\$\{\w+\.\w+\}", "*", made.body["name"].replace("${baseName}", base))] += 1
        if made.type == AML:
            managed = made.body["properties"]["managedNetwork"]
            found["firewall", managed["firewallSku"]] += 1
            found.update(outbound(name.strip("'"), rule) for name, rule in managed["outboundRules"].items())
        if made.type == OUTBOUND:
            found[outbound(made.body["name"], made.body["properties"])] += 1
    return found


def outbound(name: str, rule: Json) -> tuple[Any, ...]:
    """A rule of the managed network; hosts come from a parameter, and each has one."""
    if rule["type"] == "FQDN":
        return "outbound", re.sub(r"\$\{.*\}", "*", name), rule["category"]
    destination = rule["destination"]
    return "outbound", name, rule["category"], destination["subresourceTarget"], destination["sparkEnabled"]


def terraform_network(project: Path) -> Facts:
    """The same of a Terraform project."""
    values = local_values(project)
    found: Facts = Counter()
    given = {f"${{local.{name}}}": value for name, value in values.items() if isinstance(value, str)}
    for key, endpoint in (values["platform_endpoints"] | values.get("rag_endpoints", {})).items():
        found["endpoint", key, endpoint["group"], tuple(resolved(endpoint["zones"], values))] += 1
    for name, subnet in (values["common_subnets"] | values["platform_subnets"]).items():
        delegations = resolved(subnet["delegations"], values)
        services = tuple((entry["name"], entry["service"]) for entry in delegations)
        planned = subnet["range"].removesuffix("}").split(".")[-1]
        found["subnet", name, planned, subnet["machines"], services] += 1
        for rule in resolved(subnet["rules"], values):
            found["rule", name, *sorted(rule.items())] += 1
    for made in terraform.made(project):
        if made.type == "azurerm_subnet":
            found["way out by default", made.body["default_outbound_access_enabled"]] += 1
        if type_of(made) in {TYPES[RULES], TYPES[ENDPOINT]}:
            found["name", written(made.body["name"].replace("${each.key}", "*"), given)] += 1
        if made.type == "azapi_update_resource":
            found["firewall", step(made.body, "body.properties.managedNetwork.firewallSku")] += 1
        if type_of(made) == OUTBOUND:
            found.update(terraform_outbound(made, values))
    return found


def terraform_outbound(made: terraform.Resource, values: Json) -> list[tuple[Any, ...]]:
    """The rules of one loop: over hosts, over listed words, or over `local.reached`."""
    rule, loop = made.body["body"]["properties"], made.body["for_each"]
    if rule["type"] == "FQDN":
        return [outbound(made.body["name"], rule)]
    if loop == "${local.reached}":
        targets = {key: entry["group"] for key, entry in values["reachable"].items()}
    else:
        targets = {word: word for word in re.findall(r'"(\w+)"', loop)}
    return [
        outbound(
            made.body["name"].replace("${each.key}", key),
            {**rule, "destination": {**rule["destination"], "subresourceTarget": target}},
        )
        for key, target in targets.items()
    ]


def network_problems(pair: Pair) -> list[str]:
    """Endpoints, zones, subnets, rules and what machines may reach, in one language only or otherwise."""
    if not pair.platform.endswith("-private"):
        return []
    return difference(bicep_network(pair.bicep), terraform_network(pair.terraform))


# --- parameters


def variables(project: Path) -> dict[str, Json]:
    """The variables of a Terraform project."""
    return {
        name: body
        for file, block in terraform.blocks(project, "variable")
        for name, body in block.items()
        if "/" not in file
    }


def tfvars(project: Path, environment: str) -> Json:
    """The values of one environment."""
    path = project / f"infra/{environment}.tfvars"
    return terraform.parse(path, path.read_text("utf-8"))


def value_problems(pair: Pair) -> list[str]:
    """Values that an environment gives in one language only, or differently."""
    found = []
    for environment in bicep.ENVIRONMENTS:
        ours = {snake(name): value for name, value in bicep.values(pair.bicep, environment).items()}
        theirs = tfvars(pair.terraform, environment)
        found += [
            f"{environment}: {name}: {ours.get(name)!r} in Bicep, {theirs.get(name)!r} in Terraform"
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name) or (name in ours) != (name in theirs)
        ]
    return found


def bicep_limits(parameter: Json) -> dict[str, Any]:
    """What a parameter takes: listed values, or the ends of a range."""
    rules = bicep.decorators(parameter)
    listed = {"allowed": tuple(rules["allowed"])} if "allowed" in rules else {}
    return listed | {end: rules[f"{end}_value"] for end in ("min", "max") if f"{end}_value" in rules}


def terraform_limits(name: str, body: Json) -> dict[str, Any]:
    """The same from the conditions of a variable, which say it in code."""
    found: dict[str, Any] = {}
    for rule in body.get("validation", []):
        condition = rule["condition"]
        if listed := re.search(rf"contains\(\[(.*?)\], var\.{name}\)", condition):
            found["allowed"] = tuple(re.findall(r'"([^"]*)"', listed[1]))
        for end, sign in (("min", ">="), ("max", "<=")):
            if limit := re.search(rf"var\.{name} {sign} (\d+)", condition):
                found[end] = int(limit[1])
    return found


def default(parameter: Json) -> Any:
    """The default of a Bicep parameter, None when there is none."""
    return parameter["default"]


KINDS = {"string": "string", "int": "number", "bool": "bool", "array": "${list(string)}"}


def parameter_problems(pair: Pair) -> list[str]:
    """Parameters that one language lacks, or that have another type, default or limit."""
    ours = {snake(name): declared for name, declared in bicep.declared_parameters(pair.bicep).items()}
    theirs = variables(pair.terraform)
    found = [
        f"{name}: in one language only" for name in sorted(ours.keys() ^ (theirs.keys() - TERRAFORM_PARAMETERS.keys()))
    ]
    for name in sorted(ours.keys() & theirs.keys()):
        first, second = ours[name], theirs[name]
        if KINDS[first["type"]] != second["type"]:
            found.append(f"{name}: {first['type']} in Bicep, {second['type']} in Terraform")
        if default(first) != second.get("default") and name not in OTHER_DEFAULTS:
            found.append(f"{name}: default {default(first)!r} in Bicep, {second.get('default')!r} in Terraform")
        if bicep_limits(first) != terraform_limits(name, second):
            found.append(f"{name}: {bicep_limits(first)} in Bicep, {terraform_limits(name, second)} in Terraform")
        patterns = "regex(" in str(second.get("validation"))
        if patterns != (name in patterns_of(pair.platform)):
            found.append(f"{name}: a pattern in Terraform" if patterns else f"{name}: no pattern in Terraform")
    return found


def test_both_take_a_workload_of_the_same_length(pair: Pair) -> None:
    """Bicep's lengths and Terraform's pattern admit the same short and long names."""
    rules = bicep.decorators(bicep.declared_parameters(pair.bicep)["workload"])
    condition = variables(pair.terraform)["workload"]["validation"][0]["condition"]
    found = re.search(r'regex\(\\?"(.+?)\\?",', condition)
    assert found
    admitted = [length for length in range(40) if re.fullmatch(found[1], "a" * length)]
    assert admitted == list(range(rules["min_length"], rules["max_length"] + 1))


# --- what both read from one file


@pytest.mark.parametrize("platform", [name for name in OUTPUTS if name.endswith("-rag")])
def test_both_read_the_same_pinned_models(pair: Pair) -> None:
    """Both languages get one rag.json, which gives each environment the same keys, pinned models, and prod a spare replica."""
    texts = {(folder / "infra/rag.json").read_text("utf-8") for folder in (pair.bicep, pair.terraform)}
    [given] = [json.loads(text) for text in texts]
    assert given.keys() == bicep.ENVIRONMENTS.keys()
    for settings in given.values():
        assert {name: set(block) for name, block in settings.items()} == {
            "chat": {"name", "version", "sku", "capacity"},
            "embedding": {"name", "version", "sku", "capacity"},
            "search": {"sku", "replicas", "partitions"},
        }
        assert all(settings[kind]["version"] and settings[kind]["capacity"] >= 1 for kind in ("chat", "embedding"))
    assert given["prod"]["search"]["sku"] == "none" or given["prod"]["search"]["replicas"] >= 2


# --- the comparisons themselves

COMPARISONS = {
    "outputs": output_problems,
    "resources": resource_problems,
    "settings": setting_problems,
    "names": name_problems,
    "rights": right_problems,
    "locks, logs and mails": attached_problems,
    "network": network_problems,
    "values": value_problems,
    "parameters": parameter_problems,
}


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_both_languages_say_the_same(pair: Pair, comparison: str) -> None:
    """Outputs, resources, settings, names, rights, locks, logs, mails, values and parameters agree."""
    assert COMPARISONS[comparison](pair) == []


def test_reasons_are_still_needed(pair: Pair) -> None:
    """What is excused as different is there; an excuse for nothing would hide the next difference."""
    made = {resource.type for resource in bicep.resources(pair.bicep)}
    assert made >= bicep_only(pair.platform).keys()
    assert {type_of(resource) for resource in terraform.made(pair.terraform)} >= terraform_only(pair.platform).keys()
    excused = TERRAFORM_PARAMETERS.keys() | OTHER_DEFAULTS.keys() | patterns_of(pair.platform).keys()
    assert variables(pair.terraform).keys() >= excused


# Differences that must be found: comparison, platform, language, file, text, text instead.
FAULTS = [
    ("outputs", "aml", "terraform", "outputs.tf", 'output "compute_name"', 'output "cluster_name"'),
    ("outputs", "databricks", "bicep", "platform.bicep", "output workspace_url", "output workspaceUrl"),
    ("resources", "aml", "bicep", "modules/vault.bicep", "Insights/diagnosticSettings@", "Insights/webtests@"),
    ("resources", "aml", "terraform", "vault.tf", '"azurerm_management_lock"', '"azurerm_key_vault_key"'),
    ("resources", "databricks", "terraform", "platform.tf", '"azurerm_storage_container"', '"azurerm_dbfs"'),
    ("settings", "aml", "terraform", "storage.tf", "shared_access_key_enabled        = false", ""),
    ("settings", "aml", "terraform", "vault.tf", '= "Deny"', '= "Allow"'),
    ("settings", "aml", "bicep", "platform.bicep", "minNodeCount: 0", "minNodeCount: 1"),
    (
        "settings",
        "aml",
        "terraform",
        "platform.tf",
        "local_auth_enabled            = false",
        "local_auth_enabled = true",
    ),
    ("settings", "aml", "terraform", "platform.tf", "storage_hierarchical = false", "storage_hierarchical = true"),
    ("settings", "databricks", "bicep", "main.bicep", "hierarchical: true", "hierarchical: false"),
    ("settings", "databricks", "terraform", "platform.tf", "no_public_ip = true", "no_public_ip = false"),
    ("settings", "databricks", "bicep", "platform.bicep", "'AllRules'", "'NoAzureDatabricksRules'"),
    ("settings", "databricks", "terraform", "storage.tf", '= "Allow"', '= "Deny"'),
    (
        "settings",
        "databricks",
        "bicep",
        "platform.bicep",
        "publicNetworkAccess: 'Enabled'",
        "publicNetworkAccess: 'Disabled'",
    ),
    ("names", "aml", "bicep", "main.bicep", "'kv-${workload}", "'vault-${workload}"),
    ("names", "databricks", "terraform", "platform.tf", '"dbac-', '"ac-'),
    (
        "rights",
        "aml",
        "terraform",
        "roles.tf",
        'who = "ci", role = "azureml_data',
        'who = "people", role = "azureml_data',
    ),
    ("rights", "aml", "bicep", "platform.bicep", "role: roles.acrPull", "role: roles.azureMLDataScientist"),
    ("rights", "databricks", "terraform", "roles.tf", "azurerm_storage_account.main.id", "local.group"),
    ("rights", "databricks", "bicep", "platform.bicep", "principalType: 'ServicePrincipal'", "principalType: 'User'"),
    ("locks, logs and mails", "aml", "terraform", "registry.tf", "azurerm_container_registry.main.id", "local.x"),
    ("locks, logs and mails", "databricks", "terraform", "platform.tf", '"allLogs"', '"audit"'),
    ("locks, logs and mails", "databricks", "bicep", "modules/budget.bicep", "threshold: 80", "threshold: 90"),
    ("values", "aml", "terraform", "prod.tfvars", "delete_locks            = true", "delete_locks            = false"),
    ("values", "databricks", "bicep", "dev.parameters.json", '"value": 200', '"value": 201'),
    ("values", "databricks", "terraform", "staging.tfvars", "budget_emails      = []", ""),
    ("parameters", "aml", "terraform", "platform_variables.tf", '"Standard_D4ds_v4"', '"Standard_DS3_v2"'),
    ("parameters", "aml", "bicep", "main.bicep", "@maxValue(100)", "@maxValue(50)"),
    ("parameters", "databricks", "terraform", "variables.tf", '"Standard_GRS", ', ""),
    (
        "parameters",
        "databricks",
        "bicep",
        "main.bicep",
        "param deleteLocks bool = true",
        "param deleteLocks bool = false",
    ),
    ("parameters", "databricks", "terraform", "variables.tf", 'variable "team"', 'variable "owner"'),
    ("outputs", "aml-rag", "terraform", "rag_outputs.tf", 'output "search_endpoint"', 'output "index_endpoint"'),
    ("resources", "databricks-rag", "bicep", "modules/search.bicep", "Insights/diagnosticSettings@", "Insights/x@"),
    ("settings", "aml-rag", "terraform", "rag.tf", '"NoAutoUpgrade"', '"OnceCurrentVersionExpired"'),
    ("settings", "aml-rag", "bicep", "modules/ai.bicep", "version: model.version", "version: model.name"),
    ("settings", "databricks-rag", "terraform", "rag.tf", "local_auth_enabled            = false", ""),
    ("settings", "databricks-rag", "terraform", "rag.tf", 'semantic_search_sku           = "standard"', ""),
    ("names", "aml-rag", "terraform", "rag.tf", '"srch-', '"search-'),
    ("names", "databricks-rag", "bicep", "rag.bicep", "'ai-${baseName}", "'oai-${baseName}"),
    ("names", "aml-rag", "bicep", "platform.bicep", "'id-${baseName}-serving'", "'id-${baseName}-app'"),
    ("names", "aml", "terraform", "model_registry.tf", '"mlr-', '"models-'),
    ("settings", "aml", "bicep", "modules/model-registry.bicep", "'Premium'", "'Standard'"),
    ("settings", "aml-private", "terraform", "platform.tf", '"AllowOnlyApprovedOutbound"', '"AllowInternetOutbound"'),
    ("settings", "aml-private", "bicep", "platform.bicep", "enableNodePublicIp: false", "enableNodePublicIp: true"),
    ("settings", "aml-private", "bicep", "modules/registry.bicep", "'Disabled'", "'Enabled'"),
    ("settings", "databricks-private", "terraform", "platform.tf", "default_storage_firewall_enabled      = true", ""),
    ("settings", "databricks-private", "terraform", "platform.tf", '["databricks-host"].name', '["agents"].name'),
    (
        "settings",
        "databricks-private",
        "bicep",
        "modules/network.bicep",
        "useRemoteGateways: hubGateway",
        "useRemoteGateways: true",
    ),
    ("settings", "aml-private", "terraform", "egress.tf", "bgp_route_propagation_enabled = false", ""),
    ("names", "aml-private", "terraform", "network.tf", '"vnet-', '"network-'),
    ("resources", "aml-private", "terraform", "egress.tf", '"azurerm_route_table"', '"azurerm_firewall"'),
    ("network", "aml-private", "bicep", "modules/zones.json", "privatelink.azurecr.io", "azurecr.io"),
    ("network", "aml-private", "terraform", "private_endpoints.tf", 'group = "vault"', 'group = "vaults"'),
    ("network", "aml-private", "terraform", "private_endpoints.tf", '["queue", "table"]', '["queue"]'),
    ("network", "aml-private", "terraform", "private_endpoints.tf", '"Basic"', '"Standard"'),
    (
        "network",
        "aml-rag-private",
        "bicep",
        "rag.bicep",
        "subresourceTarget: 'searchService'",
        "subresourceTarget: 'search'",
    ),
    (
        "network",
        "databricks-private",
        "terraform",
        "network.tf",
        "default_outbound_access_enabled   = false",
        "default_outbound_access_enabled = true",
    ),
    ("network", "databricks-private", "bicep", "modules/network.bicep", "priority: 110", "priority: 120"),
    (
        "network",
        "databricks-private",
        "terraform",
        "private_endpoints.tf",
        '"Microsoft.Databricks/workspaces"',
        '"Microsoft.Web/x"',
    ),
    ("network", "databricks-private", "terraform", "network.tf", "machines = false", "machines = true"),
    ("network", "aml-private", "terraform", "network.tf", '"nsg-', '"sg-'),
    ("rights", "aml", "terraform", "model_registry.tf", "azureml_registry_user", "acr_pull"),
    ("rights", "aml-rag-private", "terraform", "private_endpoints.tf", "each.value.id\n  role", "local.x\n  role"),
    ("locks, logs and mails", "aml-private", "terraform", "network.tf", '"allLogs"', '"audit"'),
    ("values", "aml-private", "bicep", "dev.parameters.json", '"none"', '"nat"'),
    ("parameters", "databricks-private", "terraform", "network_variables.tf", '"nat"\n', '"none"\n'),
    ("rights", "aml-rag", "terraform", "rag_roles.tf", '_data_reader", on', '_data_contributor", on'),
    ("rights", "databricks-rag", "bicep", "platform.bicep", "jobPrincipalId: accessC", "jobPrincipalId: storageA"),
    ("locks, logs and mails", "aml-rag", "terraform", "rag.tf", '"audit"', '"allLogs"'),
]


@pytest.mark.parametrize(("comparison", "platform", "language", "file", "old", "new"), FAULTS)
def test_a_difference_is_found(pair: Pair, comparison: str, language: str, file: str, old: str, new: str) -> None:
    """Whatever one language says alone or otherwise turns its comparison red."""
    path = (pair.bicep if language == "bicep" else pair.terraform) / "infra" / file
    text = path.read_text("utf-8")
    assert old in text, f"{file} has no {old!r} to break"
    path.write_text(text.replace(old, new), "utf-8")
    assert COMPARISONS[comparison](pair)
