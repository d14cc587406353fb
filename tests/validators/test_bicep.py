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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from azure_roles import PRIVILEGED, ROLES
from bicep_types import Json, Types, accessors, body_of, check_folder, interpolate, parse

ENVIRONMENTS = {"dev": "dev", "staging": "stg", "prod": "prod"}
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# What the project's Azure ML files read; the same names in every infrastructure language.
AML_OUTPUTS = {
    "workspace_name",
    "resource_group_name",
    "storage_account_name",
    "key_vault_name",
    "container_registry_name",
    "application_insights_name",
    "compute_name",
    "compute_identity_client_id",
}

# Settings that may not move. `publicNetworkAccess` as a value is the parameter of that name.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowSharedKeyAccess": False,
        "properties.defaultToOAuthAuthentication": True,
        "properties.allowBlobPublicAccess": False,
        "properties.allowCrossTenantReplication": False,
        "properties.isLocalUserEnabled": False,
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.supportsHttpsTrafficOnly": True,
        "properties.publicNetworkAccess": "publicNetworkAccess",
        "properties.networkAcls.bypass": "AzureServices",
    },
    "Microsoft.KeyVault/vaults": {
        "properties.enableRbacAuthorization": True,
        "properties.enablePurgeProtection": True,
        "properties.enableSoftDelete": True,
        "properties.publicNetworkAccess": "publicNetworkAccess",
        "properties.networkAcls.bypass": "AzureServices",
        "properties.networkAcls.defaultAction": "Deny",
    },
    "Microsoft.ContainerRegistry/registries": {
        "properties.adminUserEnabled": False,
        "properties.anonymousPullEnabled": False,
        "properties.publicNetworkAccess": "publicNetworkAccess",
        "properties.networkRuleBypassOptions": "AzureServices",
    },
    "Microsoft.OperationalInsights/workspaces": {"properties.features.disableLocalAuth": True},
    "Microsoft.MachineLearningServices/workspaces": {
        "properties.systemDatastoresAuthMode": "Identity",
        "properties.publicNetworkAccess": "publicNetworkAccess",
        "properties.v1LegacyMode": False,
    },
    "Microsoft.MachineLearningServices/workspaces/computes": {
        "identity.type": "UserAssigned",
        "properties.disableLocalAuth": True,
        "properties.properties.remoteLoginPortPublicAccess": "Disabled",
        "properties.properties.scaleSettings.minNodeCount": 0,
    },
}

# Hold what cannot be made again, so each can carry a delete lock.
STATEFUL = frozenset(
    {"Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.ContainerRegistry/registries"}
)

# checkov's rules that do not hold, each with its reason. docs/infra.md lists them for the reader of a project.
CHECKOV_SKIPS = {
    "CKV_AZURE_35": "jobs without a private network reach storage over its public endpoint, by identity",
    "CKV_AZURE_59": "the same; seen in some runs only: the order of files decides if checkov resolves a parameter",
    "CKV_AZURE_139": "the same for the registry",
    "CKV_AZURE_163": "a parameter chooses the tier, and checkov sees no parameter file; prod is not Basic, tested here",
    "CKV_AZURE_166": "quarantine needs a scanner that releases images, which belongs to the landing zone",
    "CKV_AZURE_189": "the endpoint is public, its firewall admits trusted services only",
    "CKV_AZURE_206": "wants a second region; prod keeps three zones, tested here, so that data stays in its region",
    "CKV_AZURE_243": "private endpoints come with the private network",
}

# Letters, digits and lengths that Azure accepts, by key of `names` in main.bicep.
NAME_RULES = {
    "storageAccount": r"[a-z0-9]{3,24}",
    "keyVault": r"(?=.{3,24}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*",
    "containerRegistry": r"[a-z0-9]{5,50}",
    "logAnalytics": r"(?=.{4,63}\Z)[a-z0-9][a-z0-9-]*[a-z0-9]",
    "applicationInsights": r"[a-z0-9-]{1,260}",
    "budget": r"[a-z0-9-]{1,63}",
}
PLATFORM_NAME_RULES = {
    "workspace": r"[a-z0-9][a-z0-9-]{2,32}",
    "computeIdentity": r"[a-z0-9-]{3,128}",
    "compute": r"(?=.{3,16}\Z)[a-z][a-z0-9-]*[a-z0-9]",
}


class Rendered(Protocol):
    """One content that some variants share, as tests/conftest.py gives it."""

    @property
    def relative(self) -> str: ...
    @property
    def variants(self) -> tuple[str, ...]: ...


class Matrix(Protocol):
    """Every offered variant, rendered once."""

    @property
    def projects(self) -> Mapping[str, Path]: ...
    def unique(self, *globs: str) -> list[Rendered]: ...


@dataclass(frozen=True)
class Resource:
    """A resource that a file makes."""

    file: str
    name: str
    type: str
    body: Json


def tool(variable: str, how: str) -> str:
    """The path of an executable that nox gives; a missing one is a failure, never a skip."""
    path = os.environ.get(variable, "")
    if not Path(path).is_file():
        pytest.fail(f"{variable} is no file ({path or 'unset'}): {how}")
    return path


@pytest.fixture(scope="session")
def types(shared: Path) -> Types:
    """Azure's resource types; all workers of the run ask for each only once or twice."""
    azmcp = tool("AZMCP", "npm install --ignore-scripts in tests/validators, then node_modules/.bin/azmcp-linux-x64")
    folder = shared / "azmcp"
    folder.mkdir(exist_ok=True)
    return Types(azmcp, folder)


@pytest.fixture
def project(matrix: Matrix, tmp_path: Path) -> Path:
    """A project's infrastructure in a folder of its own, to break at will."""
    variant = next(name for name in matrix.projects if {"aml", "bicep"} <= set(name.split("-")))
    for part in ("infra", "tasks", "docs"):
        shutil.copytree(matrix.projects[variant] / part, tmp_path / part)
    return tmp_path


def change(project: Path, file: str, old: str, new: str) -> None:
    """Break a file; fails when the text is not there, so that a negative test cannot break nothing."""
    text = (project / file).read_text("utf-8")
    assert old in text, f"{file} has no {old!r} to break"
    (project / file).write_text(text.replace(old, new), "utf-8")


def bicep_files(project: Path) -> list[Path]:
    """Every Bicep file; an empty list would make each rule below true."""
    files = sorted((project / "infra").rglob("*.bicep"))
    assert files, "no Bicep file was rendered"
    return files


def resources(project: Path) -> list[Resource]:
    """Every resource that the project makes."""
    return [
        Resource(file.name, name, resource["type"], body_of(resource))
        for file in bicep_files(project)
        for name, resource in parse(file).get("resources", {}).items()
        if not resource["existing"]
    ]


def at(body: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


# --- every reader reads every file, and every file fits the others


def test_infrastructure_is_the_same_for_every_kind_of_model(matrix: Matrix) -> None:
    """Infrastructure depends on the platform alone: one content a path, whatever the project predicts."""
    paths = [item.relative for item in matrix.unique("infra/**/*") if "aml" in item.variants[0].split("-")]
    assert sorted(paths) == sorted(set(paths))


def test_files_fit_azure_and_each_other(project: Path, types: Types) -> None:
    """Both parsers read each file; names, resource types, values, modules, outputs and parameter files agree."""
    assert check_folder(types, project / "infra") == []


BROKEN = {
    "a property misspelt": ("modules/storage.bicep", "allowSharedKeyAccess:", "allowSharedKeyAcces:", "unknown"),
    "a nested one misspelt": ("modules/vault.bicep", "defaultAction:", "defaultActoin:", "unknown property"),
    "a required one missing": ("modules/vault.bicep", "tenantId: subscription().tenantId", "", "tenantId: missing"),
    "a read-only one set": ("modules/registry.bicep", "adminUserEnabled: false", "loginServer: 'x'", "read-only"),
    "a value that is none": ("modules/storage.bicep", "'TLS1_2'", "'TLS12'", "'TLS12' is none of"),
    "a value in a list": ("platform.bicep", "'PATCH'", "'PACTH'", "'PACTH' is none of"),
    "a text for a number": ("platform.bicep", "minNodeCount: 0", "minNodeCount: '0'", "is string, not int"),
    "another parameter type": ("platform.bicep", "computeMaxNodes int", "computeMaxNodes string", "string, not int"),
    "below a discriminator": ("platform.bicep", "vmPriority:", "vmPriorty:", "unknown property"),
    "an unknown kind of compute": ("platform.bicep", "'AmlCompute'", "'AmlComput'", "none of the known kinds"),
    "a type that is none": ("modules/vault.bicep", "KeyVault/vaults@", "KeyVault/vault@", "no resource type"),
    "an old API version": ("modules/vault.bicep", "vaults@2024-11-01", "vaults@2023-07-01", "API version"),
    "inside a loop": ("modules/storage-roles.bicep", "principalType:", "principalKind:", "unknown property"),
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


@pytest.mark.parametrize("fault", BROKEN)
def test_a_file_that_does_not_fit_is_found(project: Path, types: Types, fault: str) -> None:
    """Each kind of fault that `az bicep build` would refuse, or a deployment would, is found here."""
    file, old, new, finding = BROKEN[fault]
    change(project, f"infra/{file}", old, new)
    found = check_folder(types, project / "infra")
    assert any(finding in line for line in found), found


def test_a_folder_without_files_is_an_error(types: Types, tmp_path: Path) -> None:
    """Nothing to check is not a clean result."""
    with pytest.raises(FileNotFoundError):
        check_folder(types, tmp_path)


# --- settings that may not move


def setting_problems(project: Path) -> list[str]:
    """Settings that are not as decided, and types that the project lost."""
    made = resources(project)
    lost = [f"no {kind}" for kind in SETTINGS if not any(resource.type == kind for resource in made)]
    return lost + [
        f"{resource.file}:{resource.name}.{path} is {at(resource.body, path)!r}"
        for resource in made
        for path, wanted in SETTINGS.get(resource.type, {}).items()
        if at(resource.body, path) is not wanted and at(resource.body, path) != wanted
    ]


def test_settings_are_as_decided(project: Path) -> None:
    """No shared key or local login, no anonymous reader, TLS 1.2, no admin user, a vault by role, never purged."""
    assert setting_problems(project) == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
        ("modules/storage.bicep", "    allowSharedKeyAccess: false\n", ""),
        ("modules/storage.bicep", "'TLS1_2'", "'TLS1_0'"),
        ("modules/storage.bicep", "publicNetworkAccess: publicNetworkAccess", "publicNetworkAccess: 'Enabled'"),
        ("modules/vault.bicep", "enablePurgeProtection: true", "enablePurgeProtection: false"),
        ("modules/vault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false"),
        ("modules/vault.bicep", "defaultAction: 'Deny'", "defaultAction: 'Allow'"),
        ("modules/registry.bicep", "adminUserEnabled: false", "adminUserEnabled: true"),
        ("platform.bicep", "systemDatastoresAuthMode: 'Identity'", "systemDatastoresAuthMode: 'AccessKey'"),
        ("platform.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
        ("platform.bicep", "minNodeCount: 0", "minNodeCount: 1"),
    ],
)
def test_a_loosened_setting_is_found(project: Path, file: str, old: str, new: str) -> None:
    """Turning a guard off, or leaving it to Azure's default, is found."""
    change(project, f"infra/{file}", old, new)
    assert len(setting_problems(project)) == 1


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
    """Stateful resources without a delete lock in their file."""
    made = resources(project)
    locks = {
        (lock.file, lock.body["scope"])
        for lock in made
        if lock.type == "Microsoft.Authorization/locks" and at(lock.body, "properties.level") == "CanNotDelete"
    }
    return [f"{r.file}:{r.name}" for r in made if r.type in STATEFUL and (r.file, r.name) not in locks]


def test_what_cannot_be_made_again_can_be_locked(project: Path) -> None:
    """Storage, vault and registry each carry a delete lock that a parameter turns on."""
    assert lock_problems(project) == []
    change(project, "infra/modules/storage.bicep", "scope: account", "scope: other")
    assert lock_problems(project) == ["storage.bicep:account"]


# --- roles


def words(text: str) -> str:
    """A name without spaces and case: 'AzureML Data Scientist' and azureMLDataScientist are one."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def assigned_roles(project: Path) -> dict[str, str]:
    """The roles that platform.bicep may assign, id by name."""
    roles: dict[str, str] = parse(project / "infra/platform.bicep")["variables"]["roles"]["value"]
    return roles


def role_problems(project: Path) -> list[str]:
    """Ids that are no role, roles under a wrong name, and roles that no deployment may assign."""
    loose = {
        (file.name, guid)
        for file in bicep_files(project)
        for guid in GUID.findall(file.read_text("utf-8"))
        if guid not in assigned_roles(project).values()
    }
    found = [f"{file}: {guid} is outside `roles`" for file, guid in sorted(loose)]
    for name, guid in assigned_roles(project).items():
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
        ("acrPull: '7f951dda", "acrPull: '7f951ddb"),
        ("azureMLComputeOperator: 'e503", "networkReader: 'e503"),
        (
            "azureMLComputeOperator: 'e503ece1-11d0-4e8e-8e2c-7a6c3bf38815'",
            "owner: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'",
        ),
        ("kind: 'Default'", "kind: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'"),
    ],
    ids=["invented", "misnamed", "privileged", "outside the table"],
)
def test_a_wrong_role_is_found(project: Path, old: str, new: str) -> None:
    """An invented id, a right id under another role's name, a privileged role, an id elsewhere in a file."""
    change(project, "infra/platform.bicep", old, new)
    assert len(role_problems(project)) == 1


def assignment_problems(project: Path) -> list[str]:
    """Assignments not named after scope, principal and role, or silent about the kind of principal."""
    found = []
    for resource in resources(project):
        if resource.type != "Microsoft.Authorization/roleAssignments":
            continue
        name = resource.body["name"]
        parts = set(accessors(name)) if isinstance(name, dict) and at(name, "function.type") == "guid" else set()
        if not {(resource.body["scope"], "id"), ("assignment", "principalId"), ("assignment", "role")} <= parts:
            found.append(f"{resource.file}: name")
        if at(resource.body, "properties.principalType") is None:
            found.append(f"{resource.file}: principalType")
    return found


def test_assignments_can_be_deployed_again(project: Path) -> None:
    """An assignment is named after scope, principal and role, so a second deployment changes nothing."""
    kinds = [resource.type for resource in resources(project)]
    assert kinds.count("Microsoft.Authorization/roleAssignments") == 3
    assert assignment_problems(project) == []
    change(
        project, "infra/modules/registry-roles.bicep", "guid(registry.id, assignment.principalId,", "guid(registry.id,"
    )
    assert assignment_problems(project) == ["registry-roles.bicep: name"]


def module_assignments(project: Path) -> list[tuple[str, str, str]]:
    """Who gets which role where, as platform.bicep calls its role modules: (scope, principal, role)."""
    return sorted(
        (name.removesuffix("Roles"), ".".join(next(accessors(entry["principalId"]), (entry["principalId"],))[:1]), role)
        for name, module in parse(project / "infra/platform.bicep")["modules"].items()
        for entry in body_of(module)["params"]["assignments"]
        for role in (entry["role"]["operator"]["operands"]["operand_2"],)
    )


def test_who_gets_which_role(project: Path) -> None:
    """The complete list of rights: a new one is a decision, made here and in docs/infra.md."""
    assert module_assignments(project) == [
        ("registry", "computeIdentity", "acrPull"),
        ("storage", "computeIdentity", "storageBlobDataContributor"),
        ("storage", "mlIdentityId", "storageBlobDataContributor"),
        ("storage", "peopleGroupId", "storageBlobDataContributor"),
        ("storage", "peopleGroupId", "storageFileDataPrivilegedContributor"),
        ("workspace", "mlIdentityId", "azureMLDataScientist"),
        ("workspace", "peopleGroupId", "azureMLComputeOperator"),
        ("workspace", "peopleGroupId", "azureMLDataScientist"),
    ]


def condition_problems(project: Path) -> list[str]:
    """Differences between what docs/infra.md lets the deploy identity grant and what the files grant."""
    text = (project / "docs/infra.md").read_text("utf-8")
    granted = re.search(r'^GRANTABLE="(.+)"$', text, re.MULTILINE)
    if not granted or "--condition-version 2.0" not in text or text.count("GuidEquals {$GRANTABLE}") != 2:
        return ["the right to assign roles has no condition"]
    return sorted(set(GUID.findall(granted[1])) ^ set(assigned_roles(project).values()))


def test_the_deploy_identity_may_grant_these_roles_only(project: Path) -> None:
    """RBAC Administrator comes with a condition on writing and deleting that lists exactly the roles in the files."""
    assert condition_problems(project) == []
    change(project, "infra/platform.bicep", "  azureMLComputeOperator: 'e503ece1-11d0-4e8e-8e2c-7a6c3bf38815'\n", "")
    assert condition_problems(project) == ["e503ece1-11d0-4e8e-8e2c-7a6c3bf38815"]
    change(project, "docs/infra.md", "--condition-version 2.0", "")
    assert condition_problems(project) == ["the right to assign roles has no condition"]


# --- contract, names, environments


def test_outputs_are_the_contract(project: Path) -> None:
    """The platform's outputs have the names that every infrastructure language gives, no more and no fewer."""
    assert set(parse(project / "infra/platform.bicep")["outputs"]) == AML_OUTPUTS


def names(project: Path, workload: str, code: str) -> Iterator[tuple[str, str]]:
    """Each resource name with the rule for it, for one workload and environment."""
    values = {"workload": workload, "code": code, "hash": "a2b3c", "baseName": f"{workload}-{code}"}
    main = parse(project / "infra/main.bicep")["variables"]
    assert main["baseName"]["value"] == "${workload}-${code}"
    assert main["names"]["value"].keys() == NAME_RULES.keys()
    for key, rule in NAME_RULES.items():
        yield interpolate(main["names"]["value"][key], values), rule
    platform = {resource.name: resource.body["name"] for resource in resources(project)}
    for key, rule in PLATFORM_NAME_RULES.items():
        yield interpolate(platform[key], values), rule


@pytest.mark.parametrize("workload", ["ab", "a1", "abcdefghij"])
@pytest.mark.parametrize("code", ENVIRONMENTS.values())
def test_names_are_valid(project: Path, workload: str, code: str) -> None:
    """The shortest and the longest project make names that Azure accepts, in every environment."""
    wrong = [name for name, rule in names(project, workload, code) if not re.fullmatch(rule, name)]
    assert wrong == []
    change(project, "infra/main.bicep", "'kv-${workload}-${code}-${hash}'", "'kv-${workload}-${code}--${hash}'")
    assert [name for name, rule in names(project, workload, code) if not re.fullmatch(rule, name)]


def test_global_names_hold_something_of_the_owner(project: Path) -> None:
    """Names shared with every customer of Azure end in a hash of the resource group's id."""
    text = (project / "infra/main.bicep").read_text("utf-8")
    assert "var hash = take(uniqueString(resourceGroup().id, workload, code), 5)" in text
    declared = parse(project / "infra/main.bicep")["variables"]["names"]["value"]
    assert all(declared[key].endswith("${hash}") for key in ("storageAccount", "keyVault", "containerRegistry"))


def parameters(project: Path, environment: str) -> dict[str, Any]:
    """The values of one environment."""
    text = (project / f"infra/{environment}.parameters.json").read_text("utf-8")
    return {name: entry["value"] for name, entry in json.loads(text)["parameters"].items()}


def test_every_environment_gives_the_same_parameters(project: Path) -> None:
    """The three files differ in values only, and each names its own environment and a valid workload."""
    files = {environment: parameters(project, environment) for environment in ENVIRONMENTS}
    assert len({tuple(values) for values in files.values()}) == 1
    assert {environment: values["environment"] for environment, values in files.items()} == {e: e for e in ENVIRONMENTS}
    assert all(re.fullmatch(r"[a-z][a-z0-9]{1,9}", values["workload"]) for values in files.values())


def test_prod_keeps_what_dev_may_lose(project: Path) -> None:
    """Prod is locked, has copies in three zones and keeps deleted data and logs longer; dev is cheap."""
    dev, prod = parameters(project, "dev"), parameters(project, "prod")
    assert (dev["deleteLocks"], prod["deleteLocks"]) == (False, True)
    assert prod["storageRedundancy"] in {"Standard_ZRS", "Standard_GZRS"}
    assert prod["registrySku"] != "Basic"
    assert prod["vaultRecoveryDays"] == 90
    for days in ("dataRecoveryDays", "logRetentionDays"):
        assert prod[days] > dev[days]


# --- checkov


def checkov(folder: Path) -> Json:
    """One run of checkov's Bicep rules over a folder, without network."""
    executable = tool("CHECKOV", "install checkov==3.3.30 into an environment of its own")
    command = [
        executable,
        "-d",
        str(folder),
        "--framework",
        "bicep",
        "--skip-download",
        "--quiet",
        "--compact",
        "-o",
        "json",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "BC_SKIP_MAPPING": "TRUE"}, timeout=300
    )
    report: Json = json.loads(done.stdout)
    return report


def failed(report: Json) -> set[str]:
    """The ids of the rules that a report says are broken."""
    return {check["check_id"] for check in report["results"]["failed_checks"]}


def test_checkov_finds_what_is_expected_and_nothing_else(project: Path) -> None:
    """Each file is read by checkov, and the broken rules are exactly those with a reason: a stale skip is red too."""
    report = checkov(project / "infra")
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] > 0
    assert report["summary"]["passed"] > 0
    assert failed(report) | {"CKV_AZURE_59"} == set(CHECKOV_SKIPS)


def test_checkov_sees_a_fault_and_says_when_it_cannot_read(project: Path) -> None:
    """A registry with an admin user breaks a rule; a file that checkov cannot parse is counted, not passed over."""
    change(project, "infra/modules/registry.bicep", "adminUserEnabled: false", "adminUserEnabled: true")
    change(project, "infra/modules/storage.bicep", "param tags object", "param tags object?")
    report = checkov(project / "infra")
    assert "CKV_AZURE_137" in failed(report)
    assert report["summary"]["parsing_errors"] == 1


def test_documentation_lists_the_rules_that_do_not_hold(project: Path) -> None:
    """docs/infra.md names every checkov rule that is skipped, and no other."""
    assert set(re.findall(r"CKV2?_AZURE_\d+", (project / "docs/infra.md").read_text("utf-8"))) == set(CHECKOV_SKIPS)


# --- tasks


def poe(project: Path, task: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a task of tasks/infra.toml with a bare environment."""
    (project / "pyproject.toml").write_text('[tool.poe]\ninclude = ["tasks/infra.toml"]\n', "utf-8")
    command = [sys.executable, "-m", "poethepoet", "-C", str(project), "-e", "simple", task]
    return subprocess.run(
        command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], **environment}, timeout=60
    )


@pytest.mark.parametrize("task", ["infra-plan", "infra-deploy", "infra-outputs"])
def test_a_task_without_a_resource_group_says_so(project: Path, task: str) -> None:
    """Without AZURE_RESOURCE_GROUP a task ends with one clear line and status 2 before it calls Azure."""
    done = poe(project, task)
    assert done.returncode == 2
    assert "error: AZURE_RESOURCE_GROUP is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_task_for_an_unknown_environment_says_so(project: Path) -> None:
    """An environment without a parameter file ends the task before it calls Azure."""
    done = poe(project, "infra-plan", AZURE_RESOURCE_GROUP="rg", ENVIRONMENT="test")
    assert done.returncode == 2
    assert "there is no infra/test.parameters.json" in done.stderr


def test_tasks_name_files_that_exist(project: Path) -> None:
    """Every file that a task gives to the Azure CLI is there, in every environment."""
    text = (project / "tasks/infra.toml").read_text("utf-8")
    named = set(re.findall(r"@?(infra/[^\s\"']+\.(?:bicep|json))", text))
    paths = {name.replace("${ENVIRONMENT:-dev}", environment) for name in named for environment in ENVIRONMENTS}
    assert len(paths) == 1 + len(ENVIRONMENTS)
    assert [path for path in paths if not (project / path).is_file()] == []


# --- the bootstrap of docs/infra.md

RECORDER = """#!/bin/sh
{ printf '%s' "${0##*/}"; printf '\\037%s' "$@"; printf '\\036'; } >> "$CALLS"
case "$*" in
  *sub_claim_prefix*) echo "$PREFIX_OF_GITHUB" ;;
  *"--query id"*) echo /subscriptions/s/resourceGroups/rg ;;
  *"--name id-plan-dev"*principalId*) echo planner ;;
  *principalId*) echo deployer ;;
esac
"""


def bootstrap(project: Path, prefix: str) -> list[list[str]]:
    """Run the script of docs/infra.md; az, gh and sleep only write down how they were called. Returns the calls."""
    [script] = re.findall(
        r"^```bash\n(set -euo pipefail.+?)^```", (project / "docs/infra.md").read_text("utf-8"), re.S | re.M
    )
    for command in ("az", "gh", "sleep"):
        (project / "bin").mkdir(exist_ok=True)
        (project / "bin" / command).write_text(RECORDER, "utf-8")
        (project / "bin" / command).chmod(0o755)
    script = re.sub(r"=<[^\n]+", "=filled-in", script)
    environment = {
        "PATH": f"{project / 'bin'}:{os.environ['PATH']}",
        "CALLS": str(project / "calls"),
        "PREFIX_OF_GITHUB": prefix,
    }
    subprocess.run(["bash", "-c", script], env=environment, check=True, capture_output=True, timeout=60)
    calls = (project / "calls").read_text("utf-8").split("\036")
    return [call.split("\037") for call in calls if call]


def option(call: list[str], name: str) -> str:
    """The value of an option in a call, or nothing."""
    return call[call.index(name) + 1] if name in call else ""


@pytest.mark.parametrize("prefix", ["repo:org/fares", "repo:org@12/fares@345"], ids=["by name", "immutable"])
def test_bootstrap_takes_the_subject_from_github(project: Path, prefix: str) -> None:
    """Both forms of GitHub's subject end up in the federated credentials as they are, one environment each."""
    calls = bootstrap(project, prefix)
    subjects = {option(call, "--subject") for call in calls} - {""}
    assert subjects == {f"{prefix}:environment:plan-dev", f"{prefix}:environment:dev"}


def test_bootstrap_gives_the_planner_no_right_to_write(project: Path) -> None:
    """The identity of pull requests reads and asks; the deploying one assigns roles under the condition only."""
    calls = bootstrap(project, "repo:org/fares")
    granted = {
        (option(call, "--assignee-object-id"), option(call, "--role")): option(call, "--condition")
        for call in calls
        if call[:4] == ["az", "role", "assignment", "create"]
    }
    assert [role for principal, role in granted if principal == "planner"] == ["Deployment planner of filled-in"]
    by_name = {
        ROLES.get(role, role): condition for (principal, role), condition in granted.items() if principal == "deployer"
    }
    assert set(by_name) == {"Contributor", "Lock writer of filled-in", "Role Based Access Control Administrator"}
    condition = by_name["Role Based Access Control Administrator"]
    attribute = "Microsoft.Authorization/roleAssignments:RoleDefinitionId"
    listed = "{" + ", ".join(assigned_roles(project).values()) + "}"
    assert condition == (
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR "
        f"(@Request[{attribute}] ForAnyOfAnyValues:GuidEquals {listed})) AND "
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR "
        f"(@Resource[{attribute}] ForAnyOfAnyValues:GuidEquals {listed}))"
    )


def test_bootstrap_defines_roles_as_json(project: Path) -> None:
    """The two roles of our own are valid definitions, bound to the resource group, and none can delete or assign."""
    defined = [
        json.loads(text) for call in bootstrap(project, "repo:org/fares") if (text := option(call, "--role-definition"))
    ]
    assert [role["AssignableScopes"] for role in defined] == [["/subscriptions/s/resourceGroups/rg"]] * 2
    actions = {action for role in defined for action in role["Actions"]}
    assert {action.rsplit("/", 1)[1] for action in actions} == {"read", "write", "action"}
    assert {action for action in actions if action.endswith("write")} == {"Microsoft.Authorization/locks/write"}
