"""The Terraform of a generated project, checked without Azure and without HashiCorp's registry.

Terraform itself checks form, types and references, and runs the project's own tests against mocked resources; the provider
that it attaches to knows the schema only (terraform_providers.py). What no schema holds is a rule here: settings that may not
move, roles, locks, values of each environment. Each checker is also shown a broken file and must turn red.

Tools come by path: TF_SCHEMA (made by terraform_schema.py) and CHECKOV (an environment of its own). Terraform is on the path.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest
from azure_roles import PRIVILEGED, ROLES
from conftest import Matrix
from platform_outputs import OUTPUTS, variants_of
from terraform_files import OPTIONS, Json, Resource, blocks, files, made, outputs, resources
from terraform_providers import attached
from terraform_schema import apply_changes, written_schema
from tools import tool

PLATFORMS = tuple(OUTPUTS)
ENVIRONMENTS = ("dev", "staging", "prod")
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Settings that may not move, by type, or by type and name; a number stands for the place in a list of blocks. The first three
# values are what the network is.
PUBLIC, ACCESS, ACTION = "<public>", "<access>", "<action>"
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "public": {PUBLIC: True, ACCESS: "Enabled", ACTION: "Allow"},
    "private": {PUBLIC: False, ACCESS: "Disabled", ACTION: "Deny"},
}
COMMON: Mapping[str, Mapping[str, Any]] = {
    "azurerm_storage_account": {
        "shared_access_key_enabled": False,
        "default_to_oauth_authentication": True,
        "allow_nested_items_to_be_public": False,
        "cross_tenant_replication_enabled": False,
        "local_user_enabled": False,
        "min_tls_version": "TLS1_2",
        "https_traffic_only_enabled": True,
        "public_network_access_enabled": PUBLIC,
        "blob_properties.0.delete_retention_policy.0.days": "${var.data_recovery_days}",
        "blob_properties.0.container_delete_retention_policy.0.days": "${var.data_recovery_days}",
    },
    "azurerm_storage_account_network_rules": {
        "bypass": ["AzureServices"],
        "default_action": ACTION,
    },
    "azurerm_log_analytics_workspace": {"local_authentication_enabled": False, "allow_resource_only_permissions": True},
}
RAG: Mapping[str, Mapping[str, Any]] = {
    "azurerm_cognitive_account": {
        "kind": "AIServices",
        "identity.0.type": "SystemAssigned",
        "custom_subdomain_name": "${local.account_name}",
        "local_auth_enabled": False,
        "public_network_access_enabled": PUBLIC,
        "network_acls.0.bypass": "AzureServices",
        "network_acls.0.default_action": ACTION,
    },
    "azurerm_cognitive_deployment": {
        "version_upgrade_option": "NoAutoUpgrade",
        "rai_policy_name": "Microsoft.DefaultV2",
        "model.0.version": "${each.value.version}",
    },
    "azurerm_search_service": {
        "identity.0.type": "SystemAssigned",
        "local_authentication_enabled": False,
        "semantic_search_sku": "standard",
        "public_network_access_enabled": PUBLIC,
        "network_rule_bypass_option": "None",
    },
}
OF_PLATFORM: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "aml": {
        **COMMON,
        "azurerm_key_vault": {
            "rbac_authorization_enabled": True,
            "purge_protection_enabled": True,
            "public_network_access_enabled": PUBLIC,
            "network_acls.0.bypass": "AzureServices",
            "network_acls.0.default_action": "Deny",
        },
        "azurerm_container_registry": {
            "admin_enabled": False,
            "anonymous_pull_enabled": False,
            "public_network_access_enabled": PUBLIC,
            "network_rule_bypass_option": "AzureServices",
        },
        "azurerm_machine_learning_workspace": {
            "storage_account_access_type": "Identity",
            "public_network_access_enabled": PUBLIC,
            "v1_legacy_mode_enabled": False,
        },
        "azurerm_machine_learning_compute_cluster": {
            "identity.0.type": "UserAssigned",
            "local_auth_enabled": False,
            "ssh_public_access_enabled": False,
            "node_public_ip_enabled": PUBLIC,
            "scale_settings.0.min_node_count": 0,
        },
        "azapi_resource.model_registry": {
            "identity.0.type": "SystemAssigned",
            "body.properties.publicNetworkAccess": ACCESS,
            "body.properties.regionDetails.0.acrDetails.0.systemCreatedAcrAccount.acrAccountSku": "Premium",
            "body.properties.regionDetails.0.storageAccountDetails.0.systemCreatedStorageAccount.allowBlobPublicAccess": False,
        },
    },
    "databricks": {
        **COMMON,
        "azurerm_databricks_workspace": {
            "sku": "premium",
            "public_network_access_enabled": PUBLIC,
            "custom_parameters.0.no_public_ip": True,
        },
        "azurerm_storage_container": {"container_access_type": "private"},
    },
}
PRIVATE: Mapping[str, Mapping[str, Any]] = {
    "azurerm_subnet": {"default_outbound_access_enabled": False},
    "azurerm_private_endpoint": {
        "private_service_connection.0.is_manual_connection": False,
        "subnet_id": '${azurerm_subnet.main["private-endpoints"].id}',
        "lifecycle.0.ignore_changes": ["private_dns_zone_group"],
    },
    "azurerm_virtual_network_peering": {
        "allow_forwarded_traffic": True,
        "allow_gateway_transit": False,
        "use_remote_gateways": "${var.hub_gateway}",
    },
    "azurerm_route_table": {"bgp_route_propagation_enabled": False, "route.0.address_prefix": "0.0.0.0/0"},
    "azurerm_public_ip": {"sku": "Standard", "allocation_method": "Static"},
}
PRIVATE_OF_PLATFORM: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "aml": {
        "azurerm_container_registry": {"sku": "Premium"},
        "azurerm_machine_learning_workspace": {
            "image_build_compute_name": "cpu-cluster",
            "managed_network.0.isolation_mode": "AllowOnlyApprovedOutbound",
            "managed_network.0.provision_on_creation_enabled": True,
        },
        "azapi_update_resource.firewall": {"body.properties.managedNetwork.firewallSku": "Basic"},
        "azapi_resource.packages": {"body.properties.type": "FQDN", "body.properties.destination": "${each.key}"},
    },
    "databricks": {
        "azurerm_databricks_workspace": {
            "network_security_group_rules_required": "NoAzureDatabricksRules",
            "default_storage_firewall_enabled": True,
            "access_connector_id": "${azurerm_databricks_access_connector.main.id}",
            "custom_parameters.0.virtual_network_id": "${azurerm_virtual_network.main.id}",
            "custom_parameters.0.public_subnet_name": '${azurerm_subnet.main["databricks-host"].name}',
            "custom_parameters.0.private_subnet_name": '${azurerm_subnet.main["databricks-container"].name}',
        },
    },
}


def network_of(kind: str) -> str:
    """The network of a kind of infrastructure such as `aml-rag-private`."""
    return "private" if kind.endswith("-private") else "public"


def settings_of(kind: str) -> dict[str, dict[str, Any]]:
    """The settings that may not move in a kind of infrastructure."""
    name, network = kind.split("-")[0], network_of(kind)
    private = (PRIVATE, PRIVATE_OF_PLATFORM[name]) if network == "private" else ()
    found: dict[str, dict[str, Any]] = {}
    for table in (OF_PLATFORM[name], *((RAG,) if "-rag" in kind else ()), *private):
        for resource, settings in table.items():
            words = {path: NETWORKS[network].get(str(value), value) for path, value in settings.items()}
            found[resource] = found.get(resource, {}) | words
    return found


SETTINGS = {kind: settings_of(kind) for kind in PLATFORMS}

# Hold what cannot be made again, so each can carry a delete lock.
STATEFUL = frozenset(
    {
        "azurerm_storage_account.main",
        "azurerm_key_vault.main",
        "azurerm_container_registry.main",
        "azapi_resource.model_registry",
    }
)

# Have logs, each kept by a diagnostic setting of its group: who reads data and secrets, or all that happens.
LOGGED: Mapping[str, str] = {
    "azurerm_storage_account.main": "audit",
    "azurerm_log_analytics_workspace.main": "audit",
    "azurerm_key_vault.main": "audit",
    "azurerm_cognitive_account.main": "audit",
    "azurerm_container_registry.main": "allLogs",
    "azurerm_machine_learning_workspace.main": "allLogs",
    "azurerm_databricks_workspace.main": "allLogs",
    "azurerm_search_service.main": "allLogs",
    "azapi_resource.model_registry": "allLogs",
    "azurerm_virtual_network.main": "allLogs",
    "azurerm_network_security_group.main": "allLogs",
    "azurerm_public_ip.nat": "allLogs",
}

# checkov's rules that do not hold, each with its reason. docs/resources.md and docs/infra.md list them for the reader. What needs
# a private network holds there without exception.
OWN_KEYS = "keys of one's own belong to the landing zone"
IS_PUBLIC = "the network is public: who comes needs an identity and a role"
CHECKOV_SKIPS = {
    "CKV2_AZURE_1": OWN_KEYS,
    "CKV_AZURE_33": "no queue is used that is worth logging",
    "CKV_AZURE_206": "wants a second region; prod keeps three zones, tested here, so that data stays in its region",
}
PUBLIC_SKIPS = {"CKV2_AZURE_33": IS_PUBLIC, "CKV_AZURE_35": IS_PUBLIC, "CKV_AZURE_59": IS_PUBLIC}
SKIPS_OF_PLATFORM: Mapping[str, Mapping[str, str]] = {
    "aml": {
        "CKV_AZURE_164": "content trust is withdrawn from the registry, and the provider has no argument for it",
        "CKV_AZURE_165": "one region holds the images",
        "CKV_AZURE_166": "quarantine needs a scanner that releases images, which belongs to the landing zone",
        "CKV_AZURE_167": "a registered model must find its image",
        "CKV_AZURE_233": "the registry spreads over zones by itself",
        "CKV_AZURE_237": "a private endpoint brings a data endpoint of its own, and a public registry needs none",
    },
    "databricks": {
        "CKV2_AZURE_21": "a diagnostic setting logs who reads, which checkov does not know",
        "CKV2_AZURE_48": OWN_KEYS,
    },
}
PUBLIC_SKIPS_OF_PLATFORM: Mapping[str, Mapping[str, str]] = {
    "aml": dict.fromkeys(
        ["CKV2_AZURE_32", "CKV2_AZURE_49", "CKV2_AZURE_50", "CKV_AZURE_139", "CKV_AZURE_144", "CKV_AZURE_189"],
        IS_PUBLIC,
    ),
    "databricks": {"CKV_AZURE_158": IS_PUBLIC},
}
RAG_SKIPS = {"CKV2_AZURE_22": OWN_KEYS}
PUBLIC_RAG_SKIPS = {"CKV_AZURE_124": IS_PUBLIC, "CKV_AZURE_134": IS_PUBLIC}


def skips_of(kind: str) -> dict[str, str]:
    """The rules of checkov that do not hold in a kind of infrastructure."""
    name, is_rag = kind.split("-")[0], "-rag" in kind
    found = {**CHECKOV_SKIPS, **SKIPS_OF_PLATFORM[name], **(RAG_SKIPS if is_rag else {})}
    if network_of(kind) == "public":
        found |= {**PUBLIC_SKIPS, **PUBLIC_SKIPS_OF_PLATFORM[name], **(PUBLIC_RAG_SKIPS if is_rag else {})}
    return found


CHECKOV_SKIPS_OF = {kind: skips_of(kind) for kind in PLATFORMS}

# Rules about reach that nothing excuses in a private network.
GATE = frozenset(
    [f"CKV_AZURE_{number}" for number in (35, 59, 109, 110, 124, 134, 139, 142, 144, 158, 189, 190, 236, 243)]
    + [f"CKV2_AZURE_{number}" for number in (31, 32, 33, 40, 47, 49, 50)]
)


@cache
def schema() -> Json:
    """The provider's schema."""
    found: Json = json.loads(Path(tool("TF_SCHEMA", "see terraform_schema.py")).read_text("utf-8"))
    return found


@cache
def azapi_schema() -> Json:
    """The schema of the provider for what azurerm does not know."""
    return written_schema(Path(__file__).with_name("azapi_schema.toml"))


def copy_of(platform: str, matrix: Matrix, to: Path) -> Path:
    """A project's infrastructure in a folder of its own, to break at will."""
    variant = variants_of(platform, "terraform", matrix.projects)[0]
    for part in ("infra", "tasks", "docs"):
        shutil.copytree(matrix.projects[variant] / part, to / part)
    return to


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    """Each platform in turn."""
    return str(request.param)


@pytest.fixture
def project(platform: str, matrix: Matrix, tmp_path: Path) -> Path:
    """The project of each platform in turn."""
    return copy_of(platform, matrix, tmp_path)


@pytest.fixture
def aml(matrix: Matrix, tmp_path: Path) -> Path:
    """The project of Azure ML, for tests of what it alone has or what needs one project only."""
    return copy_of("aml", matrix, tmp_path)


def change(project: Path, file: str, old: str, new: str) -> None:
    """Break a file; fails when the text is not there, so that a negative test cannot break nothing."""
    text = (project / file).read_text("utf-8")
    assert old in text, f"{file} has no {old!r} to break"
    (project / file).write_text(text.replace(old, new), "utf-8")


@contextmanager
def provider(project: Path) -> Iterator[dict[str, str]]:
    """The environment in which Terraform finds a provider that knows the types which the files name."""
    if not shutil.which("terraform"):
        pytest.fail("terraform is not on the path: install release 1.11")
    types = {name for path in files(project) for name in re.findall(r"\baz(?:urerm|api)_\w+", path.read_text("utf-8"))}
    with attached({"hashicorp/azurerm": schema(), "azure/azapi": azapi_schema()}, types) as environment:
        yield {**os.environ, **environment}


def terraform(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Terraform in infra/."""
    command = ["terraform", f"-chdir={project / 'infra'}", *arguments, "-no-color"]
    with provider(project) as environment:
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def validate(project: Path) -> str:
    """What is wrong with the files: the errors of `init` and `validate`, or nothing."""
    done = terraform(project, "init", "-backend=false")
    if done.returncode == 0:
        done = terraform(project, "validate")
    return " ".join(done.stderr.split()) if done.returncode else ""


def run_tests(project: Path, *arguments: str) -> tuple[bool, int, str]:
    """Whether the project's own tests pass, how many did, and everything that was said."""
    initialised = terraform(project, "init", "-backend=false")
    assert initialised.returncode == 0, initialised.stderr
    done = terraform(project, "test", *arguments)
    passed = re.search(r"(\d+) passed", done.stdout)
    return done.returncode == 0, int(passed[1]) if passed else 0, done.stdout + done.stderr


# --- form, types, references, logic


def test_infrastructure_is_the_same_for_every_kind_of_model(matrix: Matrix, platform: str) -> None:
    """Infrastructure depends on its kind alone: one content a path, whatever the project predicts, but for where packages lie."""
    of_kind = set(variants_of(platform, "terraform", matrix.projects))
    found = {
        (item.relative, re.sub(r"^package_hosts = .*\n", "", item.content, flags=re.MULTILINE))
        for item in matrix.unique("infra/**/*.tf", "infra/**/*.hcl", "infra/*.tfvars", "infra/*.tfbackend")
        if of_kind & set(item.variants)
    }
    assert len(found) == len({path for path, _ in found}) > 0


def test_files_have_terraforms_form(project: Path) -> None:
    """`terraform fmt` has nothing to change, in tests and values too."""
    command = ("fmt", "-check", "-recursive")
    assert terraform(project, *command).stdout == ""
    change(project, "infra/dev.tfvars", "delete_locks ", "delete_locks   ")
    assert terraform(project, *command).stdout == "dev.tfvars\n"


def test_terraform_accepts_the_files(project: Path) -> None:
    """Arguments, blocks, types and references fit the provider's schema and each other."""
    assert validate(project) == ""


BROKEN = {
    "an argument misspelt": ("storage.tf", "shared_access_key_enabled ", "shared_acess_key_enabled ", "Unsupported argument"),
    "a nested one misspelt": ("vault.tf", "default_action ", "default_actoin ", "Unsupported argument"),
    "a block misspelt": ("storage.tf", "blob_properties {", "blob_property {", "Unsupported block type"),
    "a required one missing": ("registry.tf", "sku ", "# sku ", 'The argument "sku" is required'),
    "a required block missing": ("platform.tf", "scale_settings {", "dynamic \"identity\" {\n for_each = []\n content {",
        "Unclosed configuration block"),
    "a list for a text": ("vault.tf", '"standard"', '["standard"]', "string required"),
    "a text for a number": ("platform.tf", "= 0\n", '= "none"\n', "a number is required"),
    "an unknown resource type": ("vault.tf", '"azurerm_key_vault" "main"', '"azurerm_keyvault" "main"', "Invalid resource type"),
    "an argument of an older release": ("vault.tf", "rbac_authorization_enabled ", "enable_rbac_authorization ", "not expected"),
    "a block of an older release": ("vault.tf", 'enabled_log {\n    category_group = "audit"', 'metric {\n    category = "x"',
        "Unsupported block type"),
    "an attribute that is none": ("outputs.tf", "compute.client_id", "compute.clientid", "Unsupported attribute"),
    "an undeclared variable": ("vault.tf", "var.vault_recovery_days", "var.recovery_days", "undeclared input variable"),
    "an undeclared local": ("vault.tf", "local.hash", "local.hsh", "undeclared local value"),
    "an undeclared resource": ("outputs.tf", "azurerm_key_vault.main", "azurerm_key_vault.vault", "undeclared resource"),
    "another variable type": ("variables.tf", "type        = list(string)", "type        = number", "Invalid default value"),
    "what nobody can read": ("vault.tf", '"standard"', '"standard', "Invalid"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_file_that_does_not_fit_is_found(aml: Path, fault: str) -> None:
    """Each kind of fault that a plan would refuse is found here."""
    file, old, new, finding = BROKEN[fault]
    change(aml, f"infra/{file}", old, new)
    assert finding in validate(aml)


def test_the_projects_own_tests_pass(project: Path) -> None:
    """Names, rights, locks, budget and refused values behave as infra/tests says; none of its files is passed over."""
    written = sum(path.read_text("utf-8").count('\nrun "') for path in (project / "infra/tests").glob("*.tftest.hcl"))
    passed, count, said = run_tests(project)
    assert passed, said
    assert count == written >= 15


WRONG_LOGIC = {
    "a name without hash": ("main.tf", '0, 5)\n', '0, 0)\n', "common"),
    "a hash of nothing of the owner": ("main.tf", "lower(data.azurerm_resource_group.main.id)", '"x"', "common"),
    "a long code": ("main.tf", 'staging = "stg"', 'staging = "staging"', "common"),
    "a lock for everybody": ("storage.tf", "var.delete_locks ? 1 : 0", "1", "common"),
    "a lock for nobody": ("registry.tf", "var.delete_locks ? 1 : 0", "0", "platform"),
    "a budget without addresses": ("budget.tf", 'var.budget_start_date != "" && length(var.budget_emails) > 0',
        'var.budget_start_date != ""', "common"),
    "a firewall that is not the network's": ("storage.tf", '= "Allow"', '= "Deny"', "common"),
    "a looser check": ("variables.tf", "{1,9}", "{1,19}", "common"),
    "a check without an end": ("platform_variables.tf", "var.vault_recovery_days <= 90", "true", "platform"),
    "a right without an id": ("roles.tf", 'given = var.people_group_id != ""', "given = true", "platform"),
    "people as an identity": ("roles.tf", 'type = "Group"', 'type = "ServicePrincipal"', "platform"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG_LOGIC)
def test_the_projects_own_tests_find_wrong_logic(aml: Path, fault: str) -> None:
    """Files that Terraform accepts and that do something else than promised fail the project's own tests."""
    file, old, new, tests = WRONG_LOGIC[fault]
    change(aml, f"infra/{file}", old, new)
    passed, _, said = run_tests(aml, f"-filter=tests/{tests}.tftest.hcl")
    assert not passed, said
    assert "0 failed" not in said


PRIVATE_WRONG_LOGIC = {
    "strangers may come in": ("network.tf", 'access      = "Deny"', 'access      = "Allow"'),
    "rules that do not count": ("network.tf", '? "Disabled" : "Enabled"', '? "Disabled" : "Disabled"'),
    "endpoints that go out": ("network.tf", "machines = false", "machines = true"),
    "an address that is not asked for": (
        "egress.tf",
        'count               = var.egress == "nat"',
        'count = var.egress != "x"',
    ),
    "a way around the firewall": ("egress.tf", 'if var.egress == "appliance" }', 'if var.egress == "x" }'),
    "zones beside those of a hub": ("private_dns.tf", 'zone if var.private_dns == "create"', "zone"),
    "names beside those of a policy": (
        "private_endpoints.tf",
        'var.private_dns == "policy" ? []',
        'var.private_dns == "x" ? []',
    ),
    "a firewall without an address": ("network_variables.tf", 'var.egress != "appliance"', "true"),
    "a hub's zones without a hub": ("network_variables.tf", 'var.private_dns != "byo"', "true"),
    "anything for a hub": ("network_variables.tf", 'var.hub_network_id == ""', "true"),
}


@pytest.mark.parametrize("fault", PRIVATE_WRONG_LOGIC)
def test_the_projects_own_tests_find_a_wrong_network(matrix: Matrix, tmp_path: Path, fault: str) -> None:
    """A private network that is not what was asked for fails the project's own tests."""
    file, old, new = PRIVATE_WRONG_LOGIC[fault]
    project = copy_of("aml-private", matrix, tmp_path)
    change(project, f"infra/{file}", old, new)
    passed, _, said = run_tests(project, "-filter=tests/network.tftest.hcl")
    assert not passed and "0 failed" not in said, said


def test_a_change_of_the_schema_must_change_something() -> None:
    """azurerm_changes.toml may not name what the schema does not have: a stale line would hide a mistake."""
    empty: Json = {"attributes": {}, "blocks": {}}
    with pytest.raises(KeyError, match="long_gone"):
        apply_changes({"provider": empty, "resources": {}}, {"provider": {"removed": ["long_gone"]}, "resources": {}})


# --- settings that may not move


def at(body: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for key in path.split("."):
        if isinstance(body, list):
            body = body[int(key)] if len(body) > int(key) else None
        else:
            body = body.get(key) if isinstance(body, dict) else None
    return body


def setting_problems(project: Path, platform: str) -> list[str]:
    """Settings that are not as decided, and types that the project lost."""
    found = {name for resource in made(project) for name in (resource.type, f"{resource.type}.{resource.name}")}
    lost = [f"no {kind}" for kind in SETTINGS[platform] if kind not in found]
    return lost + [
        f"{resource.file}:{resource.type}.{path} is {at(resource.body, path)!r}"
        for resource in made(project)
        for name in (resource.type, f"{resource.type}.{resource.name}")
        for path, wanted in SETTINGS[platform].get(name, {}).items()
        if at(resource.body, path) is not wanted and at(resource.body, path) != wanted
    ]


def test_settings_are_as_decided(project: Path, platform: str) -> None:
    """No shared key or local login, no anonymous reader, TLS 1.2, no admin user, a vault by role, no public node."""
    assert setting_problems(project, platform) == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("storage.tf", "shared_access_key_enabled        = false", "shared_access_key_enabled = true"),
        ("storage.tf", "  shared_access_key_enabled        = false\n", ""),
        ("storage.tf", '"TLS1_2"', '"TLS1_0"'),
        ("storage.tf", "public_network_access_enabled    = true\n", "public_network_access_enabled = false\n"),
        ("monitoring.tf", "local_authentication_enabled    = false", "local_authentication_enabled = true"),
        ("vault.tf", "purge_protection_enabled      = true", "purge_protection_enabled = false"),
        ("vault.tf", "rbac_authorization_enabled    = true", "rbac_authorization_enabled = false"),
        ("vault.tf", '"Deny"', '"Allow"'),
        ("registry.tf", "admin_enabled                 = false", "admin_enabled = true"),
        ("platform.tf", '"Identity"', '"AccessKey"'),
        ("platform.tf", "local_auth_enabled            = false", "local_auth_enabled = true"),
        ("platform.tf", "min_node_count                       = 0", "min_node_count = 1"),
    ],
)
def test_a_loosened_setting_is_found(aml: Path, file: str, old: str, new: str) -> None:
    """Turning a guard off, or leaving it to the provider's default, is found."""
    change(aml, f"infra/{file}", old, new)
    assert len(setting_problems(aml, "aml")) == 1


@pytest.mark.parametrize(
    ("kind", "file", "old", "new"),
    [
        (
            "aml-private",
            "storage.tf",
            "public_network_access_enabled    = false",
            "public_network_access_enabled = true",
        ),
        ("aml-private", "storage.tf", '"Deny"', '"Allow"'),
        ("aml-private", "vault.tf", "public_network_access_enabled = false", "public_network_access_enabled = true"),
        ("aml-private", "registry.tf", "public_network_access_enabled = false", "public_network_access_enabled = true"),
        ("aml-private", "registry.tf", '"Premium"', '"Standard"'),
        ("aml-private", "platform.tf", '"AllowOnlyApprovedOutbound"', '"AllowInternetOutbound"'),
        ("aml-private", "platform.tf", "node_public_ip_enabled        = false", "node_public_ip_enabled = true"),
        ("aml-private", "platform.tf", 'image_build_compute_name = "cpu-cluster"', ""),
        ("aml-private", "model_registry.tf", '"Disabled"', '"Enabled"'),
        ("aml-private", "private_endpoints.tf", '"Basic"', '"Standard"'),
        ("aml-private", "private_endpoints.tf", "[private_dns_zone_group]", "[tags]"),
        ("aml-private", "network.tf", "default_outbound_access_enabled   = false", ""),
        ("aml-private", "egress.tf", "bgp_route_propagation_enabled = false", ""),
        ("databricks-private", "platform.tf", '"NoAzureDatabricksRules"', '"AllRules"'),
        ("databricks-private", "platform.tf", "default_storage_firewall_enabled      = true", ""),
        ("databricks-private", "platform.tf", "virtual_network_id ", "# virtual_network_id "),
        ("aml-rag-private", "rag.tf", '"Deny"', '"Allow"'),
    ],
)
def test_an_opened_private_network_is_found(
    matrix: Matrix, tmp_path: Path, kind: str, file: str, old: str, new: str
) -> None:
    """A service that answers strangers, or machines that reach anything, are found."""
    project = copy_of(kind, matrix, tmp_path)
    change(project, f"infra/{file}", old, new)
    assert len(setting_problems(project, kind)) == 1


PRIVATE_TYPES = re.compile(
    r"azurerm_(private_|virtual_network|subnet|network_|nat_|route_|public_ip)|outboundRules|managed_network"
)


def test_a_public_project_holds_no_private_network(project: Path, platform: str) -> None:
    """All of the private network is there, or nothing of it: no subnet, endpoint, zone or variable."""
    found = {path.name for path in files(project) if PRIVATE_TYPES.search(path.read_text("utf-8"))}
    given = {name for _, block in blocks(project, "variable") for name in block}
    if network_of(platform) == "public":
        assert found == set() and not (project / "infra/network.json").exists()
        assert given & {"private_dns", "egress", "hub_network_id", "package_hosts", "browser_authentication"} == set()
    else:
        assert found >= {"network.tf", "egress.tf", "private_dns.tf", "private_endpoints.tf"}
        assert "registry_sku" not in given


# --- logs and tags


def log_problems(project: Path) -> list[str]:
    """Resources whose logs nobody keeps, and those whose setting keeps another group."""
    kept = {}
    for resource in made(project):
        if resource.type == "azurerm_monitor_diagnostic_setting":
            [target] = re.findall(r"^\$\{(\w+\.\w+)", resource.body["target_resource_id"])
            kept[target] = [log["category_group"] for log in resource.body["enabled_log"]]
    return [
        f"{name}: {kept.get(name)}"
        for name in sorted(f"{resource.type}.{resource.name}" for resource in made(project))
        if name in LOGGED and kept.get(name) != [LOGGED[name]]
    ]


def test_everything_that_has_logs_keeps_them(project: Path) -> None:
    """Each service writes to Log Analytics who did what, and Log Analytics itself who asked."""
    assert log_problems(project) == []
    change(project, "infra/storage.tf", '"audit"', '"transaction"')
    change(
        project,
        "infra/monitoring.tf",
        "azurerm_log_analytics_workspace.main.id\n  log",
        "data.azurerm_x.main.id\n  log",
    )
    assert log_problems(project) == [
        "azurerm_log_analytics_workspace.main: None",
        "azurerm_storage_account.main: ['transaction']",
    ]


def tag_problems(project: Path) -> list[str]:
    """Resources that could carry tags and do not carry the project's."""
    known = schema()["resources"] | azapi_schema()["resources"]
    return [
        f"{resource.type}.{resource.name}"
        for resource in made(project)
        if "tags" in known.get(resource.type, {"attributes": {}})["attributes"]
        and (resource.type != "azapi_resource" or "location" in resource.body)  # a rule of a network takes none
        and resource.body.get("tags") != "${local.tags}"
    ]


def test_what_can_be_tagged_is(project: Path) -> None:
    """Each resource says whose it is."""
    assert tag_problems(project) == []
    change(project, "infra/storage.tf", "local.tags", "{}")
    assert tag_problems(project) == ["azurerm_storage_account.main"]


def key_problems(project: Path) -> list[str]:
    """Attributes that hold keys, passwords of any kind, and access policies."""
    pattern = re.compile(
        r"\w*(?:access_key\b|shared_key|connection_string|instrumentation_key|sas_token|password|secret|access_policy)\w*"
    )
    return [
        f"{path.name}: {match[0]}"
        for path in files(project)
        for match in pattern.finditer(re.sub(r"#.*", "", path.read_text("utf-8")))
    ]


def test_no_key_is_read_or_written(project: Path) -> None:
    """Nothing reads a key, takes a secret or puts one into an output."""
    assert key_problems(project) == []
    change(
        project,
        "infra/outputs.tf",
        "azurerm_storage_account.main.name\n",
        "azurerm_storage_account.main.primary_access_key\n",
    )
    assert key_problems(project) == ["outputs.tf: primary_access_key"]


def provider_problems(project: Path) -> list[str]:
    """Ways in which provider or backend could sign in with a key, or change what the subscription offers."""
    [(_, provider)] = blocks(project, "provider")
    [(_, settings)] = blocks(project, "terraform")
    backend = settings["backend"][0]["azurerm"]
    wanted = {"storage_use_azuread": True, "resource_provider_registrations": "none"}
    found = [name for name, value in wanted.items() if provider["azurerm"].get(name) != value]
    return found + ([] if backend == {"use_azuread_auth": True} else [f"backend {backend}"])


def test_provider_and_state_sign_in_by_identity(project: Path) -> None:
    """No key opens the state or a storage account, and a deployment registers nothing in the subscription."""
    assert provider_problems(project) == []
    change(project, "infra/terraform.tf", "use_azuread_auth = true", 'access_key = "x"')
    change(project, "infra/terraform.tf", '"none"', '"core"')
    assert provider_problems(project) == ["resource_provider_registrations", "backend {'access_key': 'x'}"]


def test_versions_are_pinned(project: Path, platform: str) -> None:
    """Each provider stays in one major release, the one whose schema is served here, and Terraform in its first."""
    [(_, settings)] = blocks(project, "terraform")
    release = schema()["release"]
    assert settings["required_version"] == ">= 1.11, < 2.0"
    [required] = settings["required_providers"]
    releases = {"azurerm": release} | ({"azapi": azapi_schema()["release"]} if "aml" in platform else {})
    assert {name: entry["version"] for name, entry in required.items()} == {
        name: f"~> {number.rsplit('.', 1)[0]}" for name, number in releases.items()
    }


def lock_problems(project: Path) -> list[str]:
    """Stateful resources without a delete lock."""
    locked = {
        resource.body["scope"]
        for resource in made(project)
        if resource.type == "azurerm_management_lock" and resource.body["lock_level"] == "CanNotDelete"
    }
    names = [f"{resource.type}.{resource.name}" for resource in made(project)]
    return [name for name in names if name in STATEFUL and not locked & {f"${{{name}.id}}", f"${{{name}[0].id}}"}]


def test_what_cannot_be_made_again_can_be_locked(project: Path) -> None:
    """Storage, vault and registries each carry a delete lock that a variable turns on."""
    assert lock_problems(project) == []
    change(project, "infra/storage.tf", '"CanNotDelete"', '"ReadOnly"')
    assert lock_problems(project) == ["azurerm_storage_account.main"]


# --- roles


def words(text: str) -> str:
    """A name without spaces and case: 'AzureML Data Scientist' and azureml_data_scientist are one."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def local_value(project: Path, name: str) -> Any:
    """The value of a local."""
    [value] = [block[name] for _, block in blocks(project, "locals") if name in block]
    return value


def granted_roles(project: Path) -> dict[str, str]:
    """Every role that the project may assign, id by name."""
    tables = [
        block[name]
        for _, block in blocks(project, "locals")
        for name in block
        if re.fullmatch("(rag_|private_)?roles", name)
    ]
    return {name: guid for table in tables for name, guid in table.items()}


def role_problems(project: Path) -> list[str]:
    """Ids that are no role, roles under a wrong name, and roles that no deployment may assign."""
    roles = granted_roles(project)
    found = [
        f"{path.name}: {guid} is outside `roles`"
        for path in files(project)
        for guid in GUID.findall(path.read_text("utf-8"))
        if guid not in roles.values()
    ]
    for name, guid in roles.items():
        if words(ROLES.get(guid, "")) != words(name):
            found.append(f"{name}: {guid} is {ROLES.get(guid, 'no known role')}")
        elif ROLES[guid] in PRIVILEGED:
            found.append(f"{name} may change rights itself")
    return found


def test_roles_are_named_by_id_and_the_id_is_right(project: Path) -> None:
    """Each id is a built-in role of Azure that carries the name given to it, and none can hand out rights."""
    assert role_problems(project) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"7f951dda', '"7f951ddb'),
        ("azureml_compute_operator  ", "network_reader  "),
        ('"e503ece1-11d0-4e8e-8e2c-7a6c3bf38815"', '"8e3af657-a8ff-443c-a75c-2fe8c4bcb635"'),
        ("scopes = {", 'owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"\n  scopes = {'),
    ],
    ids=["invented", "misnamed", "another role's", "outside the table"],
)
def test_a_wrong_role_is_found(aml: Path, old: str, new: str) -> None:
    """An invented id, a right id under another role's name, another role's id, an id elsewhere in a file."""
    change(aml, "infra/roles.tf", old, new)
    assert len(role_problems(aml)) == 1


def test_the_documentation_names_roles_rightly(project: Path) -> None:
    """The id in docs/infra.md, which opens the state, is the role that stands beside it."""
    text = (project / "docs/infra.md").read_text("utf-8")
    named = re.findall(rf"^ *\w+=({GUID.pattern}) # (.+)$", text, re.MULTILINE)
    assert len(named) == len(GUID.findall(text)) == 1
    assert [(guid, name) for guid, name in named if ROLES.get(guid) != name] == []


def assignments(project: Path) -> list[Resource]:
    """The blocks that assign roles."""
    found = [resource for resource in made(project) if resource.type == "azurerm_role_assignment"]
    return sorted(found, key=lambda resource: resource.name)


def test_who_gets_which_role_in_azure_ml(aml: Path) -> None:
    """The complete list of rights: a new one is a decision, made here and in docs/resources.md."""
    rights = sorted((right["on"], right["who"], right["role"]) for right in local_value(aml, "rights"))
    assert rights == [
        ("registry", "compute", "acr_pull"),
        ("registry", "serving", "acr_pull"),
        ("storage", "ci", "storage_blob_data_contributor"),
        ("storage", "compute", "storage_blob_data_contributor"),
        ("storage", "compute", "storage_queue_data_contributor"),
        ("storage", "compute", "storage_table_data_contributor"),
        ("storage", "people", "storage_blob_data_contributor"),
        ("storage", "people", "storage_file_data_privileged_contributor"),
        ("storage", "serving", "storage_blob_data_reader"),
        ("workspace", "ci", "azureml_data_scientist"),
        ("workspace", "people", "azureml_compute_operator"),
        ("workspace", "people", "azureml_data_scientist"),
    ]
    [shared] = [made for made in assignments(aml) if made.name == "model_registry"]
    assert "var.ml_identity_id], var.model_registry_user_ids" in shared.body["for_each"]
    assert shared.body["role_definition_id"].endswith("${local.roles.azureml_registry_user}")
    assert [made.name for made in assignments(aml)] == ["model_registry", "rights"]


def test_who_gets_which_role_in_databricks(matrix: Matrix, tmp_path: Path) -> None:
    """The access connector opens the storage, and nobody else holds a role."""
    project = copy_of("databricks", matrix, tmp_path)
    [right] = [resource.body for resource in made(project) if resource.type == "azurerm_role_assignment"]
    assert right["role_definition_id"].endswith("${local.roles.storage_blob_data_contributor}")
    assert "access_connector" in right["principal_id"] and "azurerm_storage_account" in right["scope"]
    assert list(local_value(project, "roles")) == ["storage_blob_data_contributor"]


def test_who_gets_which_role_for_answers(matrix: Matrix, tmp_path: Path) -> None:
    """Jobs make and fill the index, the application reads it, both ask models and content safety, and nobody else may."""
    for platform in ("aml-rag", "databricks-rag", "aml-rag-private"):
        project = copy_of(platform, matrix, tmp_path / platform)
        rights = {(right["on"], right["who"], right["role"]) for right in local_value(project, "rag_rights")}
        assert rights == {
            ("account", "job", "cognitive_services_openai_user"),
            ("account", "job", "cognitive_services_user"),
            ("account", "serving", "cognitive_services_openai_user"),
            ("account", "serving", "cognitive_services_user"),
            ("search", "job", "search_index_data_contributor"),
            ("search", "job", "search_service_contributor"),
            ("search", "serving", "search_index_data_reader"),
        }
        assert [made.name for made in assignments(project)] == {
            "aml-rag": ["model_registry", "rag", "rights"],
            "databricks-rag": ["connector", "rag"],
            "aml-rag-private": ["approver", "model_registry", "rag", "rights"],
        }[platform]


def test_the_workspace_agrees_to_its_own_endpoints_only(matrix: Matrix, tmp_path: Path) -> None:
    """In a private network the workspace may approve endpoints on models and index, which it asks for, and nothing else."""
    project = copy_of("aml-rag-private", matrix, tmp_path)
    [approver] = [made.body for made in assignments(project) if made.name == "approver"]
    assert approver["principal_id"] == "${azurerm_machine_learning_workspace.main.identity[0].principal_id}"
    assert approver["for_each"] == "${local.reached}" and approver["scope"] == "${each.value.id}"
    assert list(local_value(project, "private_roles")) == ["azure_ai_enterprise_network_connection_approver"]


def test_rights_follow_the_search_service(matrix: Matrix, tmp_path: Path) -> None:
    """The project's own tests pass with and without a search service, on both platforms."""
    for platform, old, new in (
        ("aml-rag", "basic", "none"),
        ("databricks-rag", "none", "basic"),
        ("aml-rag-private", "basic", "none"),
        ("databricks-rag-private", "none", "basic"),
    ):
        project = copy_of(platform, matrix, tmp_path / platform)
        change(project, "infra/rag.json", f'"sku": "{old}"', f'"sku": "{new}"')
        change(project, "infra/rag.json", '"replicas": 1', '"replicas": 2')
        passed, _, said = run_tests(project, "-filter=tests/rag.tftest.hcl")
        assert passed, said


RAG_WRONG_LOGIC = {
    "a key for models": ("rag.tf", "local_auth_enabled            = false", "local_auth_enabled            = true"),
    "a key for the index": ("rag.tf", "local_authentication_enabled  = false", "local_authentication_enabled  = true"),
    "a firewall that is not the network's": ("rag.tf", '= "Allow"', '= "Deny"'),
    "a model that changes by itself": ("rag.tf", '"NoAutoUpgrade"', '"OnceNewDefaultVersionAvailable"'),
    "one replica in prod": ("rag.json", '"replicas": 2', '"replicas": 1'),
    "an application that writes": ("rag_roles.tf", '_data_reader", on', '_data_contributor", on'),
}


@pytest.mark.parametrize("fault", RAG_WRONG_LOGIC)
def test_the_projects_own_tests_find_loose_models(matrix: Matrix, tmp_path: Path, fault: str) -> None:
    """A guard that is taken away from models or index fails the project's own tests."""
    file, old, new = RAG_WRONG_LOGIC[fault]
    project = copy_of("aml-rag", matrix, tmp_path)
    change(project, f"infra/{file}", old, new)
    assert not run_tests(project, "-filter=tests/rag.tftest.hcl")[0]


# --- contract, environments


def test_outputs_are_the_contract(project: Path, platform: str) -> None:
    """The outputs have the names that every infrastructure language gives, no more and no fewer."""
    assert outputs(project) == OUTPUTS[platform]


def test_every_variable_says_what_it_is(project: Path) -> None:
    """Each variable has a type and a description."""
    variables = {name: body for _, block in blocks(project, "variable") for name, body in block.items()}
    assert len(variables) >= 12
    assert [name for name, body in variables.items() if not body.get("type") or not body.get("description")] == []


def values(project: Path, environment: str) -> Json:
    """The values of one environment."""
    found: Json = hcl2.loads(
        (project / f"infra/{environment}.tfvars").read_text("utf-8"), serialization_options=OPTIONS
    )
    return found


def test_every_environment_gives_the_same_variables(project: Path) -> None:
    """The three files differ in values only, name declared variables, and each names its own environment."""
    given = {environment: values(project, environment) for environment in ENVIRONMENTS}
    assert len({tuple(found) for found in given.values()}) == 1
    assert {environment: found["environment"] for environment, found in given.items()} == {e: e for e in ENVIRONMENTS}
    declared = {name for _, block in blocks(project, "variable") for name in block}
    assert set(given["dev"]) < declared


VALUES_MOCK = """
mock_provider "azapi" {
  source = "./tests"
}
"""
VALUES_TEST = """
mock_provider "azurerm" {
  source = "./tests"
}

run "values" {
  command = plan
}
"""


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_values_of_every_environment_are_accepted(project: Path, platform: str, environment: str) -> None:
    """No variable refuses what the file of an environment gives it, and everything can be planned."""
    more = VALUES_MOCK if "aml" in platform else ""
    (project / "infra/tests/values.tftest.hcl").write_text(more + VALUES_TEST, "utf-8")
    arguments = (
        "-filter=tests/values.tftest.hcl",
        f"-var-file={environment}.tfvars",
        "-var=resource_group_name=rg-test",
    )
    passed, count, said = run_tests(project, *arguments)
    assert passed and count == 1, said
    change(project, f"infra/{environment}.tfvars", '"Standard_', '"Standard')
    assert not run_tests(project, *arguments)[0]


def test_prod_keeps_what_dev_may_lose(project: Path) -> None:
    """Prod is locked, has copies in three zones and keeps deleted data and logs longer; dev is cheap."""
    dev, prod = values(project, "dev"), values(project, "prod")
    assert (dev["delete_locks"], prod["delete_locks"]) == (False, True)
    assert prod["storage_redundancy"] in {"Standard_ZRS", "Standard_GZRS"}
    for days in ("data_recovery_days", "log_retention_days"):
        assert prod[days] > dev[days]


def test_prod_keeps_vault_and_images_of_azure_ml(aml: Path) -> None:
    """Prod's vault can be recovered as long as Azure allows, and its registry is not of the smallest tier."""
    prod = values(aml, "prod")
    assert prod["vault_recovery_days"] == 90
    assert prod["registry_sku"] != "Basic"


# --- checkov


def checkov(folder: Path) -> Json:
    """One run of checkov's Terraform rules over a folder, without network."""
    executable = tool("CHECKOV", "install checkov==3.3.30 into an environment of its own")
    command = [executable, "-d", str(folder), "--framework", "terraform", "--skip-download", "--quiet", "--compact"]
    done = subprocess.run(
        [*command, "-o", "json"],
        capture_output=True,
        text=True,
        # Unfolded, a block would count as many times as the entries that checkov can tell.
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE", "CHECKOV_ENABLE_FOREACH_HANDLING": "False"},
        timeout=300,
    )
    report: Json = json.loads(done.stdout)
    return report


def failed(report: Json) -> set[str]:
    """The ids of the rules that a report says are broken."""
    return {check["check_id"] for check in report["results"]["failed_checks"]}


def test_checkov_finds_what_is_expected_and_nothing_else(project: Path, platform: str) -> None:
    """Each resource is read by checkov, and the broken rules are exactly those with a reason: a stale skip is red too."""
    report = checkov(project / "infra")
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] == resources(project).total()
    assert report["summary"]["passed"] > 0
    assert failed(report) == set(CHECKOV_SKIPS_OF[platform])


def test_nothing_excuses_reach_in_a_private_network() -> None:
    """No rule about public access is passed over where the network is private."""
    assert PUBLIC_SKIPS.keys() <= GATE and PUBLIC_RAG_SKIPS.keys() <= GATE
    assert all(skips.keys() <= GATE for skips in PUBLIC_SKIPS_OF_PLATFORM.values())
    for kind in PLATFORMS:
        if network_of(kind) == "private":
            assert CHECKOV_SKIPS_OF[kind].keys() & GATE == set()


def test_checkov_sees_a_fault_and_says_when_it_cannot_read(aml: Path) -> None:
    """A registry with an admin user breaks a rule; a file that checkov cannot parse is counted, not passed over."""
    change(aml, "infra/registry.tf", "admin_enabled                 = false", "admin_enabled = true")
    change(aml, "infra/vault.tf", '"standard"', '"standard')
    report = checkov(aml / "infra")
    assert "CKV_AZURE_137" in failed(report)
    assert report["summary"]["parsing_errors"] == 1


def test_documentation_lists_the_rules_that_do_not_hold(project: Path, platform: str) -> None:
    """Each rule that is skipped stands in docs/resources.md or docs/infra.md; docs/infra.md lists none that holds."""
    rule = re.compile(r"CKV2?_AZURE_\d+")
    listed = {
        path.name: set(rule.findall(path.read_text("utf-8")))
        for path in (project / "docs").glob("*.md")
        if path.name in {"infra.md", "resources.md", "services.md"}
    }
    assert set(CHECKOV_SKIPS_OF[platform]) - set().union(*listed.values()) == set()
    network = network_of(platform)
    known = {name for kind, skips in CHECKOV_SKIPS_OF.items() if network_of(kind) == network for name in skips}
    assert listed["infra.md"] - known == set()
    assert listed["infra.md"] & listed["resources.md"] == set()


# --- tasks

TASKS = ("infra-plan", "infra-drift", "infra-deploy", "infra-outputs")

# Writes down how it was called and with which subscription; says something, and prints outputs when asked for them.
RECORDER = """#!/bin/sh
{ printf '%s' "$ARM_SUBSCRIPTION_ID"; printf '\\037%s' "$@"; printf '\\036'; } >> "$CALLS"
case "$2" in
  output) echo '{"compute_name": {"value": "cpu"}, "workspace_name": {"value": "mlw-x"}}' ;;
  *) echo "$2 done" ;;
esac
[ "$2" != plan ] || exit "${PLAN_ENDS_WITH:-0}"
exit "${FAILS_WITH:-0}"
"""


def poe(project: Path, task: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a task of tasks/infra.toml."""
    (project / "pyproject.toml").write_text('[tool.poe]\ninclude = ["tasks/infra.toml"]\n', "utf-8")
    command = [sys.executable, "-m", "poethepoet", "-C", str(project), "-e", "simple", task]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def recorded(project: Path, task: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a task with a Terraform that only writes down how it was called, and no variable but those given."""
    (project / "bin").mkdir(exist_ok=True)
    (project / "bin/terraform").write_text(RECORDER, "utf-8")
    (project / "bin/terraform").chmod(0o755)
    path = f"{project / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return poe(project, task, {"PATH": path, "CALLS": str(project / "calls"), **environment})


def calls(project: Path) -> list[list[str]]:
    """How Terraform was called, without the folder that each call names first."""
    found = [call.split("\037") for call in (project / "calls").read_text("utf-8").split("\036") if call]
    assert {call[1] for call in found} == {"-chdir=infra"}
    return [[call[0], *call[2:]] for call in found]


def test_the_validation_task_runs_every_check(aml: Path) -> None:
    """`poe infra-validate` checks form and types, runs the project's tests and lints, and fails when the form is not right.

    The linter is a stand-in: it has no package from which these tests could install it.
    """
    (aml / "bin").mkdir()
    (aml / "bin/tflint").write_text('#!/bin/sh\necho "tflint $*"\n', "utf-8")
    (aml / "bin/tflint").chmod(0o755)
    with provider(aml) as environment:
        environment = {**environment, "PATH": f"{aml / 'bin'}:{environment['PATH']}"}
        done = poe(aml, "infra-validate", environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The configuration is valid" in done.stdout and "passed, 0 failed" in done.stdout
        assert done.stdout.endswith("tflint --chdir=infra --init\ntflint --chdir=infra\n")
        change(aml, "infra/main.tf", "locals {", "locals  {")
        assert poe(aml, "infra-validate", environment).returncode != 0


@pytest.fixture
def ready(aml: Path) -> Path:
    """A project whose environments know where their state lies."""
    for environment in ENVIRONMENTS:
        change(aml, f"infra/{environment}.tfbackend", '""', '"stfilledin"')
    return aml


@pytest.mark.parametrize("task", TASKS)
def test_a_task_without_a_resource_group_says_so(ready: Path, task: str) -> None:
    """Without AZURE_RESOURCE_GROUP a task ends with one clear line and status 2 before it calls Terraform."""
    done = recorded(ready, task)
    assert done.returncode == 2
    assert "error: AZURE_RESOURCE_GROUP is not set" in done.stderr
    assert "Traceback" not in done.stderr and not (ready / "calls").exists()


@pytest.mark.parametrize("task", TASKS)
def test_a_task_for_an_unknown_environment_says_so(ready: Path, task: str) -> None:
    """A misspelt ENVIRONMENT ends with the name of the file that is missing."""
    done = recorded(ready, task, AZURE_RESOURCE_GROUP="rg", ENVIRONMENT="production")
    assert done.returncode == 2
    assert "error: ENVIRONMENT is production: there is no infra/production.tfvars" in done.stderr
    assert not (ready / "calls").exists()


@pytest.mark.parametrize("task", TASKS)
def test_a_task_without_a_place_for_the_state_says_so(aml: Path, task: str) -> None:
    """A fresh project says that the state needs an account; it never falls back to a file in the repository."""
    done = recorded(aml, task, AZURE_RESOURCE_GROUP="rg")
    assert done.returncode == 2
    assert "error: infra/dev.tfbackend names no storage account" in done.stderr
    assert not (aml / "calls").exists()


@pytest.mark.parametrize("environment", ["", *ENVIRONMENTS])
def test_a_plan_needs_no_right_to_write(ready: Path, environment: str) -> None:
    """A plan sets up the state of its own environment, takes no lock and writes no file."""
    done = recorded(ready, "infra-plan", AZURE_RESOURCE_GROUP="rg", ENVIRONMENT=environment, AZURE_SUBSCRIPTION_ID="s")
    assert done.returncode == 0, done.stderr
    name = environment or "dev"
    assert calls(ready) == [
        ["s", "init", "-reconfigure", f"-backend-config={name}.tfbackend", "-no-color"],
        ["s", "plan", "-lock=false", f"-var-file={name}.tfvars", "-var=resource_group_name=rg", "-no-color"],
    ]
    assert "plan done" in done.stdout


@pytest.mark.parametrize(("terraforms", "ours"), [("0", 0), ("2", 3), ("1", 2)])
def test_drift_is_told_by_the_exit_code(ready: Path, terraforms: str, ours: int) -> None:
    """Terraform says 2 for changes and 1 for a failure; the task says 3 and 2, and needs no right to write."""
    done = recorded(ready, "infra-drift", AZURE_RESOURCE_GROUP="rg", PLAN_ENDS_WITH=terraforms)
    assert done.returncode == ours, done.stderr
    assert calls(ready)[1] == [
        "",
        "plan",
        "-detailed-exitcode",
        "-lock=false",
        "-var-file=dev.tfvars",
        "-var=resource_group_name=rg",
        "-no-color",
    ]
    assert done.stdout == "plan done\n"
    assert ("error: terraform plan failed, see above" in done.stderr) is (ours == 2)


def test_a_deployment_asks_nothing_and_waits_for_the_lock(ready: Path) -> None:
    """A deployment applies what it plans, locked, and leaves no plan file behind."""
    assert recorded(ready, "infra-deploy", AZURE_RESOURCE_GROUP="rg", ENVIRONMENT="prod").returncode == 0
    [_, apply] = calls(ready)
    assert apply == [
        "",
        "apply",
        "-auto-approve",
        "-lock-timeout=5m",
        "-var-file=prod.tfvars",
        "-var=resource_group_name=rg",
        "-no-color",
    ]


def test_outputs_are_one_name_and_value_a_line(ready: Path) -> None:
    """Nothing else goes to standard output, so that a program can read it."""
    done = recorded(ready, "infra-outputs", AZURE_RESOURCE_GROUP="rg")
    assert (done.returncode, done.stdout) == (0, "compute_name=cpu\nworkspace_name=mlw-x\n"), done.stderr


def test_a_failure_of_terraform_is_a_failure_of_the_task(ready: Path) -> None:
    """When Terraform ends with an error, so does the task, with status 2 and without going on."""
    done = recorded(ready, "infra-deploy", AZURE_RESOURCE_GROUP="rg", FAILS_WITH="1")
    assert done.returncode == 2
    assert "error: terraform init failed" in done.stderr and len(calls(ready)) == 1


def test_state_and_plans_stay_out_of_the_repository(project: Path) -> None:
    """What Terraform writes is ignored by git, but for the lock file of the provider."""
    (project / "infra/.terraform").mkdir(exist_ok=True)
    written = [
        ".terraform/terraform.tfstate",
        "terraform.tfstate",
        "terraform.tfstate.backup",
        "x.tfplan",
        ".terraform.lock.hcl",
    ]
    for name in written:
        (project / "infra" / name).write_text("", "utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    done = subprocess.run(
        ["git", "check-ignore", *(f"infra/{name}" for name in written)], cwd=project, capture_output=True, text=True
    )
    assert done.stdout.split() == [f"infra/{name}" for name in written[:-1]]


def test_states_of_environments_lie_apart(project: Path) -> None:
    """Each environment has a container of its own, so that dev's identity cannot write prod's state."""
    containers = {
        environment: re.findall(
            r'container_name\s*= "(.+)"', (project / f"infra/{environment}.tfbackend").read_text("utf-8")
        )
        for environment in ENVIRONMENTS
    }
    assert containers == {environment: [f"tfstate-{environment}"] for environment in ENVIRONMENTS}
    text = (project / "docs/infra.md").read_text("utf-8")
    assert 'ENVIRONMENTS="dev staging prod"' in text and '--name "tfstate-$environment"' in text


def test_scripts_of_the_documentation_are_sound(project: Path) -> None:
    """The shell in docs/infra.md has no undefined variable or unquoted value."""
    text = (project / "docs/infra.md").read_text("utf-8")
    [script] = re.findall(r"^```bash\n(set -euo pipefail.+?)^```", text, re.S | re.M)
    script = re.sub(r"=<[^\n]+", "=filled-in", script)
    done = subprocess.run(["shellcheck", "--shell=bash", "-"], input=script, capture_output=True, text=True)
    assert done.stdout == "" and done.returncode == 0
