"""The tasks `identity` and `doctor` of a project against Azure, GitHub and Azure DevOps on this computer.

The project's own modules run as they are, over TLS, with the libraries that a project installs. What they decide is looked at
where it ends up, in the things that are there afterwards; and no run may print a token.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import azure_pipelines
import cloud_service
import pytest
from azure_roles import PRIVILEGED, ROLES
from cloud_service import ROOT, SUBSCRIPTION, TENANT, Cloud, Fault, Json
from conftest import Matrix

RG = "rg-plums-dev"
SCOPE = f"{ROOT}/resourceGroups/{RG}"
IDENTITIES = f"{ROOT}/resourceGroups/{RG}-identities/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
ASSIGNMENTS = "/providers/microsoft.authorization/roleassignments/"
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# One variant for each CI system and platform, with both languages and both networks in turn.
VARIANTS = {
    "github-aml": "classical-regression-aml-github-bicep-public",
    "github-databricks": "rag-databricks-github-terraform-private",
    "azure_devops-aml": "rag-aml-azure_devops-bicep-private",
    "azure_devops-databricks": "classical-regression-databricks-azure_devops-terraform-public",
}
# How GitHub begins a subject, for an older and for a newer repository.
PREFIXES = ["repo:owner/plums", "repo:owner@12/plums@345"]
# The account that holds Terraform's state, as Azure lists it.
STATE = {
    "id": f"{ROOT}/resourceGroups/rg-state/providers/Microsoft.Storage/storageAccounts/sttfplums",
    "name": "sttfplums",
    "type": "Microsoft.Storage/storageAccounts",
}
BUILT_IN = {name: guid for guid, name in ROLES.items()}
LINE = re.compile(r"(?:is there|would make|would change|made|changed) +(.+)")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """An empty subscription, repository and project, with somebody signed in who may do everything."""
    folder = tmp_path / "cloud"
    folder.mkdir()
    with cloud_service.serving(folder) as found:
        yield found


def checkout(matrix: Matrix, kind: str, cloud: Cloud) -> Path:
    """A project as somebody has it who pushed it to the cloud's GitHub or Azure DevOps."""
    project = shutil.copytree(matrix.projects[VARIANTS[kind]], cloud.folder / "project")
    path = "owner/plums.git" if kind.startswith("github") else "organization/My%20Plums/_git/plums"
    for command in (["init", "--quiet"], ["remote", "add", "origin", f"{cloud.address}/{path}"]):
        subprocess.run(["git", *command], cwd=project, check=True, capture_output=True)
    return project


@pytest.fixture(params=VARIANTS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each CI system with each platform."""
    return str(request.param)


@pytest.fixture
def project(matrix: Matrix, kind: str, cloud: Cloud) -> Path:
    """A project of that kind."""
    return checkout(matrix, kind, cloud)


def run(project: Path, cloud: Cloud, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `poe identity` or another module; whatever happens, no token is printed, and no trace of the program."""
    done = cloud_service.run(project, cloud, *(arguments or ("tasks.identity",)), **variables)
    for secret in (cloud_service.AZURE_TOKEN, cloud_service.GITHUB_TOKEN, "Traceback"):
        assert secret not in done.stdout + done.stderr
    return done


def applied(project: Path, cloud: Cloud, *arguments: str, **variables: str) -> str:
    """Run with --apply, successfully, and return what it printed."""
    done = run(project, cloud, "tasks.identity", "--apply", *arguments, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a run that was refused."""
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    return done.stderr.removeprefix("error: ").rstrip()


def ids(printed: str) -> dict[str, str]:
    """The ids at the end of what was printed."""
    return dict(line.split("=") for line in printed.splitlines() if re.match(r"[A-Z_]+=", line))


def assignments(cloud: Cloud, who: str) -> dict[tuple[str, str], str | None]:
    """The condition of each role that a principal has, by role and scope; roles of our own by their name."""
    own = {name: thing["properties"]["roleName"] for name, thing in own_roles(cloud).items()}
    found = {}
    for path, thing in cloud.things.items():
        if ASSIGNMENTS in path and thing["properties"]["principalId"] == who:
            given = thing["properties"]
            role = given["roleDefinitionId"].rpartition("/")[2]
            found[ROLES.get(role) or own[role], given["scope"]] = given.get("condition")
    return found


def own_roles(cloud: Cloud) -> dict[str, Json]:
    """The roles of our own, by id."""
    return {p.rpartition("/")[2]: thing for p, thing in cloud.things.items() if "/roledefinitions/" in p}


def credentials(cloud: Cloud, identity: str) -> list[Json]:
    """Whom an identity trusts."""
    return [one["properties"] for one in cloud.under(f"{IDENTITIES}/{identity}/federatedIdentityCredentials/").values()]


# --- what is made


def test_a_dry_run_writes_nothing(project: Path, cloud: Cloud) -> None:
    """Without --apply nothing but GET is sent, and each thing stands there with what would happen to it."""
    done = run(project, cloud)
    assert (done.returncode, done.stderr) == (0, "")
    assert cloud.writes() == [] and cloud.requests
    lines = done.stdout.splitlines()
    assert {line[:10] for line in lines[1:-1]} == {"would make"}
    assert lines[-1] == "Nothing was changed. To make what is missing: uv run poe identity --apply"


def test_everything_is_made_once(project: Path, cloud: Cloud, kind: str) -> None:
    """A first run makes what the dry run told; a second one finds it all, in any case of letters, and sends no write."""
    told = LINE.findall(run(project, cloud).stdout)
    first = applied(project, cloud)
    made = LINE.findall(first)
    # Azure DevOps tells the subject only once the connection is made.
    assert len(made) == len(told) and (kind.startswith("azure_devops") or made == told)
    assert {line[:8].strip() for line in first.splitlines()[1:] if "=" not in line} == {"made"}
    before = len(cloud.writes())
    for thing in cloud.things.values():
        if "roleDefinitionId" in thing.get("properties", {}):
            thing["properties"]["scope"] = thing["properties"]["scope"].upper()
    second = applied(project, cloud)
    assert len(cloud.writes()) == before
    assert LINE.findall(second) == made and ids(second) == ids(first)
    assert {line[:8] for line in second.splitlines()[1:] if "=" not in line} == {"is there"}


def test_who_may_do_what(project: Path, cloud: Cloud, kind: str) -> None:
    """The planner reads and asks; the deployer has its listed roles, and assigns others under the condition only."""
    found = ids(applied(project, cloud))
    planner, deployer = assignments(cloud, found["PLANNER"]), assignments(cloud, found["DEPLOYER"])
    assert planner == {(f"Deployment planner of {RG}", SCOPE): None}
    condition = deployer.pop(("Role Based Access Control Administrator", SCOPE))
    expected = {("Contributor", SCOPE), (f"Lock writer of {RG}", SCOPE)}
    if kind.endswith("databricks"):
        expected.add((f"Group maker for {RG}", ROOT))
    assert deployer.keys() == expected and set(deployer.values()) == {None}
    assert len([path for path in cloud.things if ASSIGNMENTS in path]) == len(planner) + len(deployer) + 1
    attribute = "Microsoft.Authorization/roleAssignments:RoleDefinitionId"
    listed = "{" + ", ".join(rights(project)["grantable_roles"]) + "}"
    assert condition == (
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR "
        f"(@Request[{attribute}] ForAnyOfAnyValues:GuidEquals {listed})) AND "
        "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR "
        f"(@Resource[{attribute}] ForAnyOfAnyValues:GuidEquals {listed}))"
    )
    types = {thing["properties"]["principalType"] for path, thing in cloud.things.items() if ASSIGNMENTS in path}
    assert types == {"ServicePrincipal"}


def test_roles_of_our_own_cannot_delete_or_assign(project: Path, cloud: Cloud) -> None:
    """Each is bound to one place, and writes locks or groups at most."""
    applied(project, cloud)
    defined = [thing["properties"] for thing in own_roles(cloud).values()]
    assert len(defined) >= 2
    assert all(role["assignableScopes"] in ([SCOPE], [ROOT]) and role["type"] == "CustomRole" for role in defined)
    actions = {action for role in defined for permission in role["permissions"] for action in permission["actions"]}
    assert {action.rpartition("/")[2] for action in actions} == {"read", "write", "action"}
    assert {action for action in actions if action.endswith("write")} <= {
        "Microsoft.Authorization/locks/write",
        "Microsoft.Resources/subscriptions/resourceGroups/write",
    }
    assert {action for action in actions if action.endswith("action")} == {
        "Microsoft.Resources/deployments/whatIf/action",
        "Microsoft.Resources/deployments/validate/action",
    }


def test_identities_live_apart_from_what_they_change(project: Path, cloud: Cloud) -> None:
    """Their group is another one, that of AZURE_IDENTITY_GROUP where it is set, so that no deployer reaches them."""
    applied(project, cloud)
    assert len(cloud.under(f"{IDENTITIES}/")) == 2
    applied(project, cloud, AZURE_IDENTITY_GROUP="rg-shared")
    assert len(cloud.under(f"{IDENTITIES.replace(f'{RG}-identities', 'rg-shared')}/")) == 2
    groups = cloud.under(f"{ROOT}/resourcegroups/")
    assert groups.keys() == {RG, f"{RG}-identities", "rg-shared"}
    assert {group["location"] for group in groups.values()} == {"westeurope"}


def test_a_further_identity_has_no_rights(project: Path, cloud: Cloud, kind: str) -> None:
    """`--also train` makes one that CI can sign in as, without a role."""
    found = ids(applied(project, cloud, "--also", "train"))
    assert found.keys() == {"PLANNER", "DEPLOYER", "TRAIN", "AZURE_CLIENT_ID"}
    assert assignments(cloud, found["TRAIN"]) == {}
    name = "plums" if kind.startswith("github") else "taxi-fares"
    assert len(credentials(cloud, f"id-{name}-train-dev")) == 1


# --- GitHub


@pytest.mark.parametrize("kind", ["github-aml"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_subject_begins_as_github_says(project: Path, cloud: Cloud, prefix: str) -> None:
    """Read, whatever `use_immutable_subject` says; only the jobs of one environment present it."""
    cloud.prefix = prefix
    applied(project, cloud)
    assert credentials(cloud, "id-plums-plan-dev") == [
        {
            "issuer": f"{cloud.address}/_services/token",
            "subject": f"{prefix}:environment:plan-dev",
            "audiences": ["api://AzureADTokenExchange"],
        }
    ]
    assert [one["subject"] for one in credentials(cloud, "id-plums-dev")] == [f"{prefix}:environment:dev"]


@pytest.mark.parametrize("kind", ["github-aml"])
def test_no_subject_is_guessed(project: Path, cloud: Cloud) -> None:
    """A GitHub that does not tell the prefix ends the run before anybody is trusted."""
    cloud.prefix = None
    assert "sub_claim_prefix" in refusal(run(project, cloud, "tasks.identity", "--apply"))
    assert not [path for path in cloud.things if "federatedidentitycredentials" in path]


@pytest.mark.parametrize("kind", ["github-aml"])
def test_a_subject_that_changed_is_changed(project: Path, cloud: Cloud) -> None:
    """A repository that moved to immutable subjects keeps one credential, with the new subject."""
    applied(project, cloud)
    cloud.prefix = PREFIXES[1]
    assert "would change  federated credential of id-plums-dev" in run(project, cloud).stdout
    applied(project, cloud)
    assert [one["subject"] for one in credentials(cloud, "id-plums-dev")] == [f"{PREFIXES[1]}:environment:dev"]


@pytest.mark.parametrize("kind", ["github-aml"])
def test_each_environment_of_github_knows_its_own_identity(project: Path, cloud: Cloud) -> None:
    """The four variables that a workflow signs in with and deploys to; both environments differ in the client only."""
    found = ids(applied(project, cloud))
    given = {
        environment: {
            one["name"]: one["value"] for one in cloud.under(f"/environments/{environment}/variables/").values()
        }
        for environment in ("dev", "plan-dev")
    }
    assert given["dev"] == {
        "AZURE_CLIENT_ID": found["AZURE_CLIENT_ID"],
        "AZURE_TENANT_ID": TENANT,
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": RG,
    }
    planner = cloud.things[f"{IDENTITIES}/id-plums-plan-dev".lower()]["properties"]["clientId"]
    assert given["plan-dev"] == given["dev"] | {"AZURE_CLIENT_ID": planner} and planner != found["AZURE_CLIENT_ID"]


@pytest.mark.parametrize("kind", ["github-aml"])
def test_protection_of_an_environment_stays(project: Path, cloud: Cloud) -> None:
    """An environment that is there is not put again, which would take its reviewers away; a wrong variable is set right."""
    applied(project, cloud)
    folder = "/api/v3/repos/owner/plums/environments/dev"
    cloud.things[folder]["reviewers"] = ["plum"]
    cloud.things[f"{folder}/variables/azure_resource_group"]["value"] = "rg-other"
    assert "changed       variable AZURE_RESOURCE_GROUP of dev\n" in applied(project, cloud)
    assert cloud.things[folder]["reviewers"] == ["plum"]
    assert cloud.things[f"{folder}/variables/azure_resource_group"]["value"] == RG


# --- Azure DevOps


@pytest.mark.parametrize("kind", ["azure_devops-aml"])
def test_connections_hold_a_client_and_no_secret(project: Path, cloud: Cloud) -> None:
    """Each signs in by federation as its own identity, which trusts what was read from it and nothing else."""
    found = ids(applied(project, cloud))
    planner, deployer = cloud.things["endpoints"]["value"]
    assert [planner["name"], deployer["name"]] == ["taxi-fares-plan-dev", "taxi-fares-dev"]
    for connection in (planner, deployer):
        signs_in = connection["authorization"]
        assert signs_in["scheme"] == "WorkloadIdentityFederation"
        told = signs_in["parameters"]
        assert told.keys() == {
            "tenantid",
            "serviceprincipalid",
            "workloadIdentityFederationIssuer",
            "workloadIdentityFederationSubject",
        }
        (trusted,) = credentials(cloud, f"id-{connection['name']}")
        assert trusted["subject"] == told["workloadIdentityFederationSubject"]
        assert trusted["issuer"] == told["workloadIdentityFederationIssuer"]
    assert deployer["authorization"]["parameters"]["serviceprincipalid"] == found["AZURE_CLIENT_ID"]
    assert deployer["data"]["subscriptionId"] == SUBSCRIPTION
    assert deployer["serviceEndpointProjectReferences"][0]["projectReference"] == {
        "id": "project-id",
        "name": "My Plums",
    }


@pytest.mark.parametrize("kind", ["azure_devops-aml"])
def test_pipelines_find_what_they_name(project: Path, cloud: Cloud) -> None:
    """Connections, the variable group and the environment are called as the pipelines call them."""
    applied(project, cloud)
    made = {kind: [one["name"] for one in cloud.things[kind]["value"]] for kind in ("endpoints", "environments")}
    jobs = azure_pipelines.jobs(azure_pipelines.expand(project / ".azuredevops/infra.yml", "Manual", environment="dev"))
    assert {name for job in jobs for name in job.connections} == set(made["endpoints"])
    (group,) = cloud.things["variablegroups"]["value"]
    assert made["environments"] == [group["name"]] == ["taxi-fares-dev"]
    assert group["variables"] == {"AZURE_RESOURCE_GROUP": {"value": RG}}


@pytest.mark.parametrize("kind", ["azure_devops-aml"])
def test_a_group_keeps_its_other_variables(project: Path, cloud: Cloud) -> None:
    """A wrong value is set right, what people added stays, and a connection of an older identity gets the new one."""
    applied(project, cloud)
    (group,) = cloud.things["variablegroups"]["value"]
    group["variables"] = {"AZURE_RESOURCE_GROUP": {"value": "rg-other"}, "AZURE_ML_WORKSPACE": {"value": "mlw"}}
    connection = cloud.things["endpoints"]["value"][1]
    right = connection["authorization"]["parameters"]["serviceprincipalid"]
    connection["authorization"]["parameters"]["serviceprincipalid"] = "an-older-one"
    printed = applied(project, cloud)
    assert re.findall(r"^changed +(.+)$", printed, re.MULTILINE)[:2] == [
        "service connection taxi-fares-dev",
        "variable group taxi-fares-dev",
    ]
    assert group["variables"] == {"AZURE_RESOURCE_GROUP": {"value": RG}, "AZURE_ML_WORKSPACE": {"value": "mlw"}}
    assert connection["authorization"]["parameters"]["serviceprincipalid"] == right


# --- what was there before


@pytest.mark.parametrize("kind", ["github-aml"])
def test_what_others_made_is_kept(project: Path, cloud: Cloud) -> None:
    """An assignment, a role and a credential under another name are recognised; a stale condition is renewed in place."""
    applied(project, cloud)
    renamed: dict[str, Json] = {}
    for path in list(cloud.things):
        if ASSIGNMENTS in path or "federatedidentitycredentials" in path:
            renamed[f"{path.rpartition('/')[0]}/by-hand-{len(renamed)}"] = cloud.things.pop(path)
    for path, thing in renamed.items():
        cloud.things[path] = thing | {"name": path.rpartition("/")[2]}
    (bound,) = [thing for thing in cloud.things.values() if "condition" in thing.get("properties", {})]
    bound["properties"]["condition"] = "an older one"
    before = len(cloud.writes())
    printed = applied(project, cloud)
    assert re.findall(r"^(?:made|changed) +(.+)$", printed, re.MULTILINE) == [
        f"role Role Based Access Control Administrator for the deployer on {RG}"
    ]
    assert [path.rpartition("/")[2] for _, path in cloud.writes()[before:]] == [bound["name"]]
    assert len([path for path in cloud.things if ASSIGNMENTS in path]) == 4


@pytest.mark.parametrize("kind", ["github-aml"])
def test_a_role_of_our_own_is_renewed(project: Path, cloud: Cloud) -> None:
    """A definition with other actions gets those of this release, under the id that it has."""
    applied(project, cloud)
    path, planner = next(
        (p, t) for p, t in cloud.things.items() if t.get("properties", {}).get("roleName", "").startswith("Dep")
    )
    planner["properties"]["permissions"][0]["actions"] = ["*/read"]
    assert f"changed       role definition Deployment planner of {RG}\n" in applied(project, cloud)
    assert len(cloud.things[path]["properties"]["permissions"][0]["actions"]) == 3
    assert len(own_roles(cloud)) == 2


@pytest.mark.parametrize("kind", ["github-databricks"])
def test_the_state_can_be_read_by_one_and_written_by_the_other(project: Path, cloud: Cloud) -> None:
    """Where the infrastructure keeps a state, the rights are on the environment's container in the account that is named."""
    backend = project / "infra/dev.tfbackend"
    backend.write_text(backend.read_text("utf-8").replace('= ""', '= "sttfplums"'), "utf-8")
    assert "storage account sttfplums is not in this subscription" in refusal(run(project, cloud))
    accounts = [STATE, STATE | {"id": "/other", "name": "stother"}]
    cloud.things[f"{ROOT}/resources".lower()] = {"value": accounts}
    found = ids(applied(project, cloud))
    container = f"{STATE['id']}/blobServices/default/containers/tfstate-dev"
    assert ("Storage Blob Data Reader", container) in assignments(cloud, found["PLANNER"])
    assert ("Storage Blob Data Contributor", container) in assignments(cloud, found["DEPLOYER"])
    assert [scope for _, scope in assignments(cloud, found["PLANNER"])].count(container) == 1


# --- when something is in the way


@pytest.mark.parametrize(
    ("kind", "path", "what", "mend"),
    [
        ("github-aml", ASSIGNMENTS[1:10], "provider", "Owner of the subscription"),
        (
            "github-aml",
            "/environments/plan-dev",
            "GitHub environment plan-dev",
            "administrator of owner/plums (gh auth",
        ),
        ("azure_devops-aml", "/endpoints", "service connection", "administrator of the project My Plums"),
    ],
)
def test_a_refusal_is_one_line_with_the_mend(project: Path, cloud: Cloud, path: str, what: str, mend: str) -> None:
    """A 403 tells what could not be made, why, and who can; what the service says of a token is left out."""
    told = {"code": "AuthorizationFailed", "message": f"no right, {'eyJ' + 'a' * 20}.{'b' * 30}.c"}
    cloud.faults = [
        Fault(method, path, 403, told if "github" in path else {"error": told}) for method in ("PUT", "POST")
    ]
    line = refusal(run(project, cloud, "tasks.identity", "--apply"))
    assert line.startswith(what) and mend in line and "403 AuthorizationFailed: no right, ***" in line


@pytest.mark.parametrize("kind", ["github-aml"])
def test_a_busy_service_is_given_time(project: Path, cloud: Cloud) -> None:
    """429 with Retry-After is waited for, by GitHub's POST as well as by Azure's PUT; the run ends as if nothing had been."""
    cloud.faults = [
        Fault("PUT", "/roleAssignments/", 429, headers={"Retry-After": "2"}),
        Fault("POST", "/variables", 429, headers={"Retry-After": "1"}),
    ]
    begun = time.monotonic()
    applied(project, cloud)
    assert time.monotonic() - begun >= 3
    assert [fault.times for fault in cloud.faults] == [0, 0]


@pytest.mark.parametrize("kind", ["github-aml"])
def test_what_azure_does_not_know_yet_is_waited_for(project: Path, cloud: Cloud) -> None:
    """A new identity, role or provider takes time to be known everywhere; another refusal ends the run at once."""
    late = {"error": {"code": "PrincipalNotFound", "message": "Principal does not exist in the directory"}}
    cloud.faults = [Fault("PUT", "/roleAssignments/", 400, late)]
    applied(project, cloud)
    assert cloud.faults[0].times == 0


@pytest.mark.parametrize("kind", ["github-aml", "azure_devops-databricks"])
@pytest.mark.parametrize("part", ["/federatedIdentityCredentials/", "/roleAssignments/"])
def test_an_interrupted_run_is_completed_by_the_next(project: Path, cloud: Cloud, part: str) -> None:
    """Stopped by hand while it writes, it says one line; run again, it makes what is missing and nothing twice."""
    environment = {
        "PATH": f"{cloud.folder / 'bin'}:/usr/bin:/bin",
        "REQUESTS_CA_BUNDLE": str(cloud.folder / "ca.pem"),
        "NO_PROXY": "127.0.0.1",
        "HOME": str(cloud.folder),
        "AZURE_RESOURCE_GROUP": RG,
    }
    # Tests that run in the background are deaf to an interrupt, and so would their children be.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "tasks.identity", "--apply"]
    running: list[subprocess.Popen[str]] = []
    cloud.faults = [Fault("PUT", part, 500, times=9, action=lambda: running[0].send_signal(signal.SIGINT))]
    running.append(
        subprocess.Popen(
            command, cwd=project, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    )
    stdout, stderr = running[0].communicate(timeout=60)
    assert (running[0].returncode, stderr) == (130, "\nerror: interrupted; what was made stays, run it again\n")
    cloud.faults = []
    again = applied(project, cloud)
    kept = set(re.findall(r"^is there +(.+)$", again, re.MULTILINE))
    assert kept >= set(re.findall(r"^made +(.+)$", stdout, re.MULTILINE)) and kept
    assert "made " in again and "made " not in applied(project, cloud)
    paths = [(method, path) for method, path, _ in cloud.written if method != "PATCH"]
    posted = [(path, json.dumps(body)) for method, path, body in cloud.written if method == "POST"]
    assert len([one for one in paths if one[0] == "PUT"]) == len({one for one in paths if one[0] == "PUT"})
    assert len(posted) == len(set(posted))


@pytest.mark.parametrize("kind", ["github-aml"])
@pytest.mark.parametrize(
    ("variables", "arguments", "line"),
    [
        (
            {"AZURE_RESOURCE_GROUP": ""},
            (),
            "AZURE_RESOURCE_GROUP is not set: export the name of the resource group of dev",
        ),
        ({"AZURE_RESOURCE_GROUP": "a/b"}, (), "AZURE_RESOURCE_GROUP is no name of a resource group: a/b"),
        ({"ENVIRONMENT": "test"}, (), "ENVIRONMENT is test: there is no infra/test.parameters.json"),
        ({"GH_REPO": "plums"}, (), "plums is no repository on GitHub: set GH_REPO=<owner>/<repository>"),
    ],
)
def test_a_missing_setting_is_one_line(
    project: Path, cloud: Cloud, variables: dict[str, str], arguments: tuple[str, ...], line: str
) -> None:
    """Nothing is asked before everything is known."""
    assert refusal(run(project, cloud, "tasks.identity", *arguments, **variables)) == line
    assert cloud.requests == []


@pytest.mark.parametrize("kind", ["github-aml"])
@pytest.mark.parametrize("name", ["plan", "Train", "a-b", "x" * 21])
def test_a_further_name_that_would_clash_is_refused(project: Path, cloud: Cloud, name: str) -> None:
    """`plan-dev` is taken, and other letters would not fit into the name of an identity."""
    done = run(project, cloud, "tasks.identity", "--also", name)
    assert done.returncode == 2 and f"--also {name}" in done.stderr and cloud.requests == []


@pytest.mark.parametrize(
    ("kind", "answers", "line"),
    [
        (
            "github-aml",
            {"az_account_show": None},
            "az account fails: install it (uv run poe infra-tools tells where), then az login",
        ),
        ("github-aml", {"az_account_get-access-token": None}, "not signed in to Azure"),
        ("github-aml", {"gh_auth_token": None}, "gh auth fails: gh auth login"),
        ("github-aml", {"gh_auth_token": "an-old-token"}, "GitHub answers 401"),
        ("azure_devops-aml", {"az_account_show": None}, "az account fails"),
    ],
)
def test_nobody_signed_in_is_one_line(project: Path, cloud: Cloud, answers: dict[str, str | None], line: str) -> None:
    """Each sign-in that is missing is named with the command that mends it."""
    cloud.sign_in(**answers)
    assert line in refusal(run(project, cloud, "tasks.identity", "--apply"))


# --- doctor


def healthy(project: Path, cloud: Cloud, kind: str) -> None:
    """Everything made, filled in and given."""
    found = ids(applied(project, cloud))
    values = {"peopleGroupId": "g", "budgetStartDate": "2026-01-01", "mlIdentityId": found["DEPLOYER"]}
    if kind.endswith("aml"):
        file = project / "infra/dev.parameters.json"
        content = json.loads(file.read_text("utf-8"))
        content["parameters"] |= {name: {"value": value} for name, value in values.items()}
        content["parameters"]["budgetEmails"]["value"] = ["plum@example.com"]
        file.write_text(json.dumps(content), "utf-8")
        locations = f"{ROOT}/providers/microsoft.machinelearningservices/locations/westeurope"
        size = {"name": "Standard_D4ds_v4", "family": "standardDDSv4Family", "vCPUs": 4}
        usage = {"currentValue": 2, "limit": 10, "name": {"value": "Standard DDSv4 Family Cluster Dedicated vCPUs"}}
        total = {"currentValue": 0, "limit": 0, "name": {"value": "Total Cluster Dedicated Regional vCPUs"}}
        cloud.things |= {f"{locations}/vmsizes": {"value": [size]}, f"{locations}/usages": {"value": [total, usage]}}
    else:
        file, backend = project / "infra/dev.tfvars", project / "infra/dev.tfbackend"
        text = re.sub(r"^(budget_emails\s*=).*$", r'\1 ["plum@example.com"]', file.read_text("utf-8"), flags=re.M)
        file.write_text(re.sub(r"^(budget_start_date\s*=).*$", r'\1 "2026-01-01"', text, flags=re.M), "utf-8")
        backend.write_text(backend.read_text("utf-8").replace('= ""', '= "sttfplums"'), "utf-8")
        cloud.things[f"{ROOT}/resources".lower()] = {"value": [STATE]}
    if kind.startswith("github"):
        for name in rights(project)["variables"]:
            variable(cloud, name, "plum")
    else:
        for group in cloud.things["variablegroups"]["value"]:
            group["variables"] |= {name: {"value": "plum"} for name in rights(project)["variables"]}
    applied(project, cloud)


def variable(cloud: Cloud, name: str, value: str, kind: str = "variables") -> None:
    """A variable or secret of the repository on GitHub."""
    cloud.things[f"/api/v3/repos/owner/plums/actions/{kind}/{name.lower()}"] = {"name": name} | (
        {"value": value} if kind == "variables" else {}
    )


def doctor(project: Path, cloud: Cloud, **variables: str) -> tuple[int, list[str]]:
    """The exit code of `poe doctor`, and all lines that are not well. It never writes."""
    before = len(cloud.writes())
    done = run(project, cloud, "tasks.identity.doctor", **variables)
    assert len(cloud.writes()) == before and done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) >= 5 and all(re.match(r"(?:ok     |missing|unknown)  \S", line) for line in lines)
    return done.returncode, [line for line in lines if not line.startswith("ok")]


def test_a_healthy_project_misses_nothing(project: Path, cloud: Cloud, kind: str) -> None:
    """Everything made, filled in and given: exit code 0 and no other line than ok."""
    healthy(project, cloud, kind)
    assert doctor(project, cloud) == (0, [])


def test_a_fresh_project_misses_what_the_dry_run_would_make(project: Path, cloud: Cloud) -> None:
    """Each thing that `identity` would make stands there with that command."""
    code, lines = doctor(project, cloud)
    assert code == 1
    wanted = LINE.findall(run(project, cloud).stdout)
    assert [line for line in lines if line.endswith(": uv run poe identity --apply")] == [
        f"missing  {what}: uv run poe identity --apply" for what in wanted
    ]


FAULTS: dict[str, tuple[str, str]] = {
    "a subject that GitHub no longer sends": ("github-aml", "missing  federated credential of id-plums-plan-dev"),
    "a role that was taken away": ("github-aml", f"missing  role Contributor for the deployer on {RG}: uv run poe"),
    "an older condition": (
        "github-aml",
        f"missing  role Role Based Access Control Administrator for the deployer on {RG}, as",
    ),
    "a secret as a variable": ("github-aml", "missing  no secret in PLUM of the repository: delete it"),
    "a secret of GitHub": ("github-aml", "missing  no secret in AZURE_CREDENTIALS of the repository: delete it"),
    "a secret of Azure DevOps": (
        "azure_devops-aml",
        "missing  no secret in DATABRICKS_TOKEN of taxi-fares-dev: delete it",
    ),
    "too few cores": (
        "github-aml",
        "missing  quota for Standard_D4ds_v4 in westeurope (8 cores, 7 free): ask for more",
    ),
    "a size that is not offered": ("github-aml", "missing  quota: the region does not offer this size"),
    "a family without a quota": ("github-aml", "unknown  quota: Azure names no quota for the family"),
    "another identity for the workspace": (
        "github-aml",
        "missing  ml identity id in infra/dev.parameters.json: write ",
    ),
    "no workspace": ("github-aml", "missing  CI's variable AZURE_ML_WORKSPACE: after the first deployment, the output"),
    "no people": ("github-aml", "missing  people group id of dev: write it into infra/: az ad group show"),
    "no budget": ("github-databricks", "missing  budget emails of dev: write it into infra/"),
    "no state": ("github-databricks", "missing  state account of dev: write it into infra/: the storage account"),
    "no account for the state": (
        "github-databricks",
        "missing  roles: storage account sttfplums is not in this subscription",
    ),
    "no plan": ("github-databricks", "missing  address plan of dev in infra/network.json: bring it back from git"),
    "a subnet outside": (
        "github-databricks",
        "missing  address plan of dev in infra/network.json: bring it back from git",
    ),
    "a hub without an id": ("github-databricks", "missing  hub network id in infra/dev.tfvars: az network vnet show"),
    "zones of nobody": ("github-databricks", "missing  private DNS group id in infra/dev.tfvars: az group show"),
    "no firewall": (
        "github-databricks",
        "missing  appliance address in infra/dev.tfvars: the firewall's private address",
    ),
    "GitHub refuses": ("github-aml", "unknown  variables of CI: GitHub answers 403: no."),
}


def listed(cloud: Cloud, name: str) -> list[Json]:
    """What Azure lists by a name, such as the sizes of machines, wherever that is."""
    return next((thing["value"] for path, thing in cloud.things.items() if path.endswith(f"/{name}")), [])


def spoil(project: Path, cloud: Cloud, fault: str) -> None:
    """Take one thing away, or put one wrong."""
    bicep, tfvars = project / "infra/dev.parameters.json", project / "infra/dev.tfvars"
    plan, locations = project / "infra/network.json", "/locations/westeurope"
    sizes, usages = (listed(cloud, name) for name in ("vmsizes", "usages"))
    assert locations in "".join(cloud.things) or not bicep.is_file()

    def assigned(role: str) -> tuple[str, Json]:
        return next(
            (p, t) for p, t in cloud.things.items() if ASSIGNMENTS in p and role in t["properties"]["roleDefinitionId"]
        )

    def value(name: str, new: object) -> None:
        content = json.loads(bicep.read_text("utf-8"))
        content["parameters"][name] = {"value": new}
        bicep.write_text(json.dumps(content), "utf-8")

    def line(text: str) -> None:
        name = text.partition(" ")[0]
        kept = re.sub(rf"^{name}\s*=.*\n", "", tfvars.read_text("utf-8"), flags=re.MULTILINE)
        tfvars.write_text(f"{kept}{text}\n", "utf-8")

    def planned(new: dict[str, Any]) -> None:
        plan.write_text(json.dumps({"dev": new}), "utf-8")

    faults: dict[str, Callable[[], object]] = {
        "a subject that GitHub no longer sends": lambda: setattr(cloud, "prefix", PREFIXES[1]),
        "a role that was taken away": lambda: cloud.things.pop(assigned(BUILT_IN["Contributor"])[0]),
        "an older condition": lambda: assigned("f58310d9")[1]["properties"].update(condition="older"),
        "a secret as a variable": lambda: variable(cloud, "PLUM", "dapi" + "0123456789abcdef" * 2),
        "a secret of GitHub": lambda: variable(cloud, "AZURE_CREDENTIALS", "", kind="secrets"),
        "a secret of Azure DevOps": lambda: cloud.things["variablegroups"]["value"][0]["variables"].update(
            DATABRICKS_TOKEN={"isSecret": True, "value": None}
        ),
        "too few cores": lambda: usages[1].update(currentValue=3),
        "a size that is not offered": sizes.clear,
        "a family without a quota": usages.clear,
        "another identity for the workspace": lambda: value("mlIdentityId", "somebody"),
        "no workspace": lambda: cloud.things.pop("/api/v3/repos/owner/plums/actions/variables/azure_ml_workspace"),
        "no people": lambda: value("peopleGroupId", ""),
        "no budget": lambda: line("budget_emails = [] # nobody"),
        "no state": lambda: (project / "infra/dev.tfbackend").write_text('storage_account_name = ""\n', "utf-8"),
        "no account for the state": lambda: cloud.things.pop(f"{ROOT}/resources".lower()),
        "no plan": lambda: plan.write_text("{}", "utf-8"),
        "a subnet outside": lambda: planned({"addressPrefixes": ["10.0.0.0/24"], "subnets": {"agents": "10.0.1.0/27"}}),
        "a hub without an id": lambda: line('hub_network_id = "vnet-hub"'),
        "zones of nobody": lambda: line('private_dns = "byo"'),
        "no firewall": lambda: line('egress = "appliance"'),
        "GitHub refuses": lambda: cloud.faults.append(Fault("GET", "/actions/variables", 403, {"message": "no"})),
    }
    assert faults.keys() == FAULTS.keys()
    faults[fault]()


@pytest.mark.parametrize(("fault", "kind"), [(fault, kind) for fault, (kind, _) in FAULTS.items()])
def test_each_missing_thing_is_told(project: Path, cloud: Cloud, kind: str, fault: str) -> None:
    """One thing wrong: exit code 1, and a line with the mend for it alone."""
    healthy(project, cloud, kind)
    spoil(project, cloud, fault)
    code, lines = doctor(project, cloud)
    assert code == 1
    alone = {line.partition(" of id-")[0] for line in lines}
    assert lines[0].startswith(FAULTS[fault][1]) and len(alone) == 1, lines


@pytest.mark.parametrize("kind", ["github-aml"])
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AZURE_CLIENT_SECRET", "plum", True),
        ("ARM_ACCESS_KEY", "plum", True),
        ("AZURE_PLUM", f"a1c8Q~{'x' * 34}", True),
        ("DATABRICKS_PLUM", f"DefaultEndpointsProtocol=https;AccountKey={'A' * 86}==", True),
        ("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential", False),
        ("AZURE_CLIENT_SECRET", "", False),
        ("PLUM_SECRET", "plum", False),
    ],
)
def test_a_secret_in_the_terminal_is_told(project: Path, cloud: Cloud, name: str, value: str, told: bool) -> None:
    """By the name or by what it looks like, among the variables that a sign-in reads; the value is never printed."""
    cloud.sign_in(az_account_show=None, gh_auth_token=None)
    done = run(project, cloud, "tasks.identity.doctor", **{name: value})
    assert (f"missing  no secret in this terminal's {name}: unset {name}; az login needs none\n" in done.stdout) == told
    assert "plum" not in done.stdout and "xxxx" not in done.stdout and "AAAA" not in done.stdout


def test_without_a_sign_in_the_rest_is_checked(project: Path, cloud: Cloud, kind: str) -> None:
    """What this computer knows is told; what nobody could ask is said, in one line for each service."""
    cloud.sign_in(az_account_show=None, gh_auth_token=None)
    code, lines = doctor(project, cloud)
    assert code == 1 and any("budget start date of dev" in line for line in lines)
    assert next(line for line in lines if line.startswith("unknown")).startswith("unknown  sign-in to Azure: az ")
    assert ("unknown  sign-in to CI" in "\n".join(lines)) == kind.startswith("github")


@pytest.mark.parametrize("kind", ["github-aml"])
def test_a_network_that_is_down_ends_no_other_check(project: Path, cloud: Cloud) -> None:
    """A broken connection is tried again a few times, and then told for the part that it belongs to."""
    healthy(project, cloud, "github-aml")
    cloud.faults = [Fault("GET", "/vmSizes", None, times=99)]
    code, lines = doctor(project, cloud)
    assert code == 1 and len(lines) == 1
    assert lines[0].startswith("unknown  quota: Azure cannot be reached, try again: ")


# --- what the platform decides


def rights(project: Path) -> Json:
    """The data of the platform."""
    loaded: Json = json.loads((project / "tasks/identity/rights.json").read_text("utf-8"))
    return loaded


def assigned_roles(project: Path) -> set[str]:
    """The ids of all roles that the infrastructure names, in either language."""
    files = [*project.glob("infra/**/*.bicep"), *project.glob("infra/*.tf")]
    assert files, "there is no infrastructure"
    return {guid for file in files for guid in GUID.findall(file.read_text("utf-8"))} & ROLES.keys()


def test_the_deployer_may_grant_what_the_infrastructure_grants(matrix: Matrix) -> None:
    """Exactly the roles that the files of each variant name, by their right names, and none that could hand out rights."""
    for name, project in matrix.projects.items():
        grantable = rights(project)["grantable_roles"]
        assert grantable.keys() == assigned_roles(project), name
        assert grantable == {guid: ROLES[guid] for guid in grantable} and not PRIVILEGED & set(grantable.values()), name


def test_every_provider_that_is_used_is_registered(matrix: Matrix) -> None:
    """Each namespace of a resource type in Bicep files is in the list; those that every subscription knows may be left out."""
    always = {"Microsoft.Authorization", "Microsoft.Consumption", "Microsoft.Resources"}
    for name, project in matrix.projects.items():
        texts = [file.read_text("utf-8") for file in project.glob("infra/**/*.bicep")]
        used = {found for text in texts for found in re.findall(r"'(Microsoft\.\w+)/[\w/]+@", text)} - always
        listed = rights(project)["providers"]
        assert used <= set(listed) and len(listed) == len(set(listed)), name


def test_the_platform_reads_outputs_that_exist(matrix: Matrix) -> None:
    """A variable of CI that the doctor asks for is filled from an output of the infrastructure."""
    for name, project in matrix.projects.items():
        files = [*project.glob("infra/*.bicep"), *project.glob("infra/*.tf")]
        outputs = {found for file in files for found in re.findall(r'^output "?(\w+)', file.read_text("utf-8"), re.M)}
        assert set(rights(project)["variables"].values()) <= outputs, name


def module(project: Path, code: str) -> Any:
    """What some lines of Python print as JSON, in a project's root."""
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_both_languages_give_the_same_values(matrix: Matrix) -> None:
    """The doctor knows parameters by one name, whatever the language; Terraform knows its state besides."""
    code = "import json; from tasks.identity import parameters; print(json.dumps([parameters.read(e) for e in {}]))"
    environments = ["dev", "staging", "prod"]
    for platform in ("aml", "databricks"):
        name = f"classical-regression-{platform}-github-{{}}-public"
        bicep, terraform = (
            module(matrix.projects[name.format(language)], code.format(environments))
            for language in ("bicep", "terraform")
        )
        for environment, ours, theirs in zip(environments, bicep, terraform, strict=True):
            assert theirs.pop("state_account") == "" and theirs.pop("state_container") == f"tfstate-{environment}"
            assert ours == theirs


def test_values_of_terraform_are_read_as_people_write_them(matrix: Matrix, tmp_path: Path) -> None:
    """Comments, several lines, a hash in a text, a comma after the last: read. A map: left out, and the rest still read."""
    project = shutil.copytree(matrix.projects[VARIANTS["github-databricks"]], tmp_path / "project")
    text = 'a = "#1" # one\nb = [\n  "x", // first\n  "y",\n]\nc = { d = 1 }\n// e = 1\nf = true\ng=2\n'
    (project / "infra/dev.tfvars").write_text(text, "utf-8")
    read = module(
        project, "import json; from tasks.identity import parameters; print(json.dumps(parameters.read('dev')))"
    )
    assert {name: read[name] for name in "abfg"} == {"a": "#1", "b": ["x", "y"], "f": True, "g": 2}
    assert "c" not in read and "e" not in read


def test_addresses_of_github(matrix: Matrix) -> None:
    """github.com, a tenant with data residency and a server of one's own each have their API and issuer."""
    hosts = ["github.com", "plum.ghe.com", "github.plum.example"]
    code = f"import json; from tasks.identity import ci; print(json.dumps([ci.addresses(host) for host in {hosts}]))"
    assert module(matrix.projects[VARIANTS["github-aml"]], code) == [
        ["https://api.github.com", "https://token.actions.githubusercontent.com"],
        ["https://api.plum.ghe.com", "https://token.actions.plum.ghe.com"],
        ["https://github.plum.example/api/v3", "https://github.plum.example/_services/token"],
    ]


@pytest.mark.parametrize(
    ("kind", "remote", "found"),
    [
        ("github-aml", "git@github.com:owner/plums.git", "github.com owner/plums"),
        ("github-aml", "https://github.com/owner/plums", "github.com owner/plums"),
        ("github-aml", "https://me@github.plum.example/owner/plums.git", "github.plum.example owner/plums"),
        ("github-aml", "ssh://git@github.com/owner/plums.git", "github.com owner/plums"),
        ("azure_devops-aml", "git@ssh.dev.azure.com:v3/org/My%20Plums/repo", "https://dev.azure.com/org My Plums"),
        ("azure_devops-aml", "https://me@dev.azure.com/org/My%20Plums/_git/repo", "https://dev.azure.com/org My Plums"),
        ("azure_devops-aml", "https://org.visualstudio.com/Plums/_git/repo", "https://org.visualstudio.com Plums"),
    ],
)
def test_the_remote_says_where_the_project_is(project: Path, cloud: Cloud, remote: str, found: str) -> None:
    """However the repository was cloned: the host and the repository, or the organisation and the project."""
    subprocess.run(["git", "remote", "set-url", "origin", remote], cwd=project, check=True)
    code = "from tasks.identity import ci; ci.Ci = lambda *parts: print(*parts); ci.here()"  # stands in for the sign-in
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found


@pytest.mark.parametrize("task", ["identity", "doctor"])
@pytest.mark.parametrize("kind", ["github-aml"])
def test_the_tasks_run_the_modules(project: Path, cloud: Cloud, task: str) -> None:
    """`poe identity` and `poe doctor` start them and hand on their options and exit code."""
    cloud.sign_in(az_account_show=None, gh_auth_token=None)
    done = run(
        project,
        cloud,
        "poethepoet",
        "--executor",
        "simple",
        task,
        PATH=f"{cloud.folder / 'bin'}:{Path(sys.executable).parent}",
    )
    assert done.returncode == {"identity": 2, "doctor": 1}[task], done.stderr
