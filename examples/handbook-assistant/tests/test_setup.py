"""What an administrator's setup makes, and leaves alone: the real SDK against databricks_admin.py."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from databricks_admin import ACCOUNT, NUMBER, REGION, Administration
from databricks_stub import Answer, Databricks, Request, refusal

from handbook_assistant import NAME

ROOT = Path(__file__).parents[1]
IDENTITY = "00000000-0000-0000-0000-00000000000c"
GROUP = "/subscriptions/s/resourceGroups/g"
CONNECTOR = f"{GROUP}/providers/Microsoft.Databricks/accessConnectors/c"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/s"
OUTPUTS = (
    "workspace_url=https://adb-1.azuredatabricks.net catalog_storage_url=abfss://c@s/ storage_account_name=s a=b "
    f"access_connector_id={CONNECTOR}"
)
ISSUER, SUBJECT = "https://token.actions.githubusercontent.com", "repo:o/r:environment:dev"
MADE = f"{NAME}_dev"
SECURABLES = [("storage_credential", MADE), ("external_location", MADE), ("catalog", "ml_dev")]
SETTINGS = """
clusters: {tags: {team: t, workload: w}, node_types: [A, B], idle_minutes: 30}
budget_emails: [a@example.com]
environments:
  dev: {deployers: ml, readers: all, budget: 200, reach: {/search: [searchService]}}
"""
pytestmark = pytest.mark.platform


def load(name: str) -> Any:
    """A file of databricks/, which is a script and in no package. What it imports finds it by its name."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "databricks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


submit, steps, account, setup = (load(name) for name in ("submit", "steps", "account", "setup"))


@dataclass
class Setup:
    """A setup that can be run, the service, and what is printed."""

    there: Administration
    settings: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> str:
        """Run `python databricks/setup.py ARGUMENTS` in this process; what it printed when it succeeded."""
        code = self.code(*arguments)
        printed = self.capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    def refused(self, *arguments: str) -> str:
        """Run it; the one line with which it failed."""
        assert self.code(*arguments) == 2
        error = self.capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        return error

    def code(self, *arguments: str) -> object:
        """Run it; its exit code."""
        self.there.databricks.requests.clear()
        self.monkeypatch.setattr(sys, "argv", ["setup.py", *arguments])
        with pytest.raises(SystemExit) as stop:
            submit.main(setup.app)
        return stop.value.code


@pytest.fixture
def setting_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Setup]:
    """A fresh workspace and account, the project's own settings in part, and a private network."""
    for name in ("databricks/setup.yml", "databricks.yml", "infra/network.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / "databricks.yml").write_bytes((ROOT / "databricks.yml").read_bytes())
    settings = tmp_path / "databricks" / "setup.yml"
    settings.write_text(SETTINGS)
    (tmp_path / "infra" / "network.json").touch()
    monkeypatch.setattr(setup, "PROJECT", tmp_path)
    monkeypatch.setattr(setup, "PRIVATE", tmp_path / "infra" / "network.json")
    for name in ("ENVIRONMENT", "FEDERATION_ISSUER", "FEDERATION_SUBJECT", "FEDERATION_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)
    databricks = Databricks()
    with databricks.running() as environment:
        told = {"INFRA_OUTPUTS": OUTPUTS, "AZURE_CLIENT_ID": IDENTITY, "DATABRICKS_ACCOUNT_ID": ACCOUNT}
        trusted = {"FEDERATION_ISSUER": ISSUER, "FEDERATION_SUBJECT": SUBJECT}
        for name, value in {**environment, **told, **trusted, "DATABRICKS_ACCOUNTS_HOST": databricks.url}.items():
            monkeypatch.setenv(name, value)
        yield Setup(Administration(databricks), settings, monkeypatch, capsys)


def state(there: Administration) -> str:
    """All that the service keeps."""
    return repr({name: value for name, value in vars(there).items() if name != "databricks"})


def test_first_run_makes_everything(setting_up: Setup) -> None:
    """The catalog lies in the infrastructure's storage and is this workspace's alone; rights are the least that do."""
    setting_up.run()
    there = setting_up.there
    credential, location, catalog = (there.objects[key] for key in SECURABLES)
    assert credential["azure_managed_identity"] == {"access_connector_id": CONNECTOR}
    assert (location["url"], location["credential_name"]) == ("abfss://c@s/", MADE)
    assert credential["skip_validation"] is location["skip_validation"] is True
    assert catalog["storage_root"] == "abfss://c@s/ml_dev"
    for key in SECURABLES:
        assert there.objects[key]["isolation_mode"].endswith("ISOLATED")
        assert there.bindings[key] == [NUMBER]
    deploy = ["USE_CATALOG", "CREATE_SCHEMA"]
    assert there.grants == {"ml_dev": {IDENTITY: deploy, "ml": deploy, "all": ["USE_CATALOG"]}}
    (identity,) = there.identities
    assert (identity["applicationId"], identity["entitlements"]) == (IDENTITY, [{"value": "workspace-access"}])
    assert there.users == [("service_principal_name", IDENTITY), ("group_name", "ml")]
    (trusted,) = there.federation
    assert trusted["oidc_policy"] == {"issuer": ISSUER, "subject": SUBJECT}


def test_clusters_are_bound_by_the_policy(setting_up: Setup) -> None:
    """A cluster is one user's, of the listed machines, ends when idle, and carries the tags."""
    setting_up.run()
    rules = json.loads(setting_up.there.policies[0]["definition"])
    assert rules["data_security_mode"]["values"] == ["SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED"]
    assert rules["node_type_id"] == {"type": "allowlist", "values": ["A", "B"], "defaultValue": "A"}
    assert rules["autotermination_minutes"] == {"type": "fixed", "value": 30}
    assert rules["instance_pool_id"] == {"type": "forbidden"}
    tags = {name: rule for name, rule in rules.items() if name.startswith("custom_tags.")}
    wanted = {"team": "t", "workload": "w", "environment": "dev"}
    assert tags == {f"custom_tags.{name}": {"type": "fixed", "value": value} for name, value in wanted.items()}


def test_budget_mails_three_times(setting_up: Setup) -> None:
    """The budget counts this workspace, and mails at half, at four fifths and at the whole of it."""
    setting_up.run()
    (budget,) = setting_up.there.budgets
    assert budget["filter"] == {"workspace_id": {"operator": "IN", "values": [NUMBER]}}
    assert [alert["quantity_threshold"] for alert in budget["alert_configurations"]] == ["100.00", "160.00", "200.00"]
    mail = [{"action_type": "EMAIL_NOTIFICATION", "target": "a@example.com"}]
    assert all(alert["action_configurations"] == mail for alert in budget["alert_configurations"])


def test_private_storage_is_reached_by_endpoints(setting_up: Setup) -> None:
    """Serverless compute gets an endpoint to each sub-resource, and whoever may approve it is told how."""
    printed = setting_up.run()
    there = setting_up.there
    assert [(one["name"], one["region"]) for one in there.networks] == [(f"{NAME[:22]}-dev", REGION)]
    assert there.attached == "N0"
    reached = [(one["resource_id"], one["group_id"]) for one in there.endpoints]
    assert reached == [(STORAGE, "blob"), (STORAGE, "dfs"), ("/search", "searchService")]
    assert printed.count("private-endpoint-connection approve") == 3
    assert f"list --id {STORAGE} --query \"[?ends_with(properties.privateEndpoint.id, '/pe-1')].id\"" in printed


def test_second_run_writes_nothing(setting_up: Setup) -> None:
    """Run again, it changes nothing and says so."""
    first = setting_up.run()
    before = state(setting_up.there)
    again = setting_up.run()
    assert setting_up.there.writes() == []
    assert state(setting_up.there) == before
    # The network configuration and the workspace's use of it are one thing then.
    assert again.count(" is there already") == len([line for line in first.splitlines() if is_done(line)]) - 1


def is_done(line: str) -> bool:
    """Whether a line tells of something that was done."""
    return line.endswith((" created", " granted", " switched on"))


def test_dry_run_writes_nothing(setting_up: Setup) -> None:
    """A dry run names what a run would make, in the same order, and sends no request that writes."""
    told = setting_up.run("--dry-run")
    assert setting_up.there.writes() == []
    done = setting_up.run()
    would = [line.replace("would be ", "") for line in told.splitlines() if "would be" in line]
    assert would == [line for line in done.splitlines() if is_done(line)]


def test_run_that_broke_off_is_completed(setting_up: Setup) -> None:
    """Wherever a run is refused, the next one makes what is left: the same in the end as without a break."""
    setting_up.run()
    whole, last = state(setting_up.there), len(setting_up.there.writes())
    databricks = setting_up.there.databricks
    setting_up.there = Administration(databricks)

    def only(number: int) -> None:
        """Let so many requests that write through."""
        left = iter(range(number))

        def stop(request: Request) -> Answer | None:
            if request.method == "GET" or next(left, None) is not None:
                return None
            return refusal(403, "PERMISSION_DENIED", "not yours")

        databricks.intercept = stop

    for _ in range(last - 1):
        only(1)
        setting_up.refused()
    only(1)
    setting_up.run()
    assert state(setting_up.there) == whole


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("external-locations", "external locations and catalogs"),
        ("ServicePrincipals", "an administrator of the workspace"),
        ("permissions/catalog", "the owner of catalog ml_dev"),
        ("/accounts/", "an administrator of the Databricks account"),
    ],
)
def test_missing_right_is_one_line(setting_up: Setup, path: str, right: str) -> None:
    """Who may not do something is told which right it takes, and what the service said."""
    denied = refusal(403, "PERMISSION_DENIED", "not yours")
    setting_up.there.databricks.intercept = lambda request: denied if path in request.path else None
    error = setting_up.refused()
    assert right in error
    assert "not yours" in error


def test_foreign_changes_stay(setting_up: Setup) -> None:
    """What others granted, bound and allowed is as it was after the next run."""
    setting_up.run()
    there = setting_up.there
    there.grants["ml_dev"]["other"] = ["SELECT"]
    there.grants["ml_dev"]["ml"] = ["CREATE_SCHEMA", "BROWSE"]
    there.bindings["catalog", "ml_dev"] = [99]
    there.users.append(("user_name", "jane"))
    there.federation.append({"oidc_policy": {"issuer": "https://i", "subject": "s"}})
    setting_up.run()
    assert there.grants["ml_dev"]["other"] == ["SELECT"]
    assert there.grants["ml_dev"]["ml"] == ["CREATE_SCHEMA", "BROWSE", "USE_CATALOG"]
    assert there.bindings["catalog", "ml_dev"] == [99, NUMBER]
    assert ("user_name", "jane") in there.users
    assert len(there.federation) == 2
    assert not [request for request in there.databricks.requests if request.method == "DELETE"]


def test_settings_that_changed_are_taken_over(setting_up: Setup) -> None:
    """A changed policy or budget is changed in place, and keeps what the setup does not know."""
    setting_up.run()
    there = setting_up.there
    there.policies[0]["description"] = "by hand"
    setting_up.settings.write_text(SETTINGS.replace("[A, B]", "[A]").replace("budget: 200", "budget: 400"))
    printed = setting_up.run()
    assert printed.count(" changed") == len(there.writes()) == 2
    (policy,), (budget,) = there.policies, there.budgets
    assert json.loads(policy["definition"])["node_type_id"]["values"] == ["A"]
    assert policy["description"] == "by hand"
    assert budget["alert_configurations"][2]["quantity_threshold"] == "400.00"
    setting_up.run()
    assert there.writes() == []


def test_catalog_of_another_project_is_shared_not_closed(setting_up: Setup) -> None:
    """A catalog in another project's storage gets the grants, and who sees it is left alone."""
    there = setting_up.there
    there.objects["catalog", "ml_dev"] = {"name": "ml_dev", "storage_root": "abfss://x@y/z", "isolation_mode": "OPEN"}
    assert "another project's" in setting_up.run()
    assert there.objects["catalog", "ml_dev"]["isolation_mode"] == "OPEN"
    assert ("catalog", "ml_dev") not in there.bindings
    assert IDENTITY in there.grants["ml_dev"]


def test_name_that_leads_elsewhere_is_one_line(setting_up: Setup) -> None:
    """A storage credential of the same name with another identity is no replacement for ours."""
    other = {"azure_managed_identity": {"access_connector_id": "/other"}, "isolation_mode": "ISOLATION_MODE_OPEN"}
    setting_up.there.objects["storage_credential", MADE] = {"name": MADE, **other}
    assert "leads to /other" in setting_up.refused()
    assert setting_up.there.writes() == []


def test_name_that_is_taken_out_of_sight_is_one_line(setting_up: Setup) -> None:
    """Where the service says that something exists which the caller cannot see, the mend is told."""
    taken = refusal(400, "CATALOG_ALREADY_EXISTS", "Catalog 'ml_dev' already exists")
    setting_up.there.databricks.intercept = lambda request: (
        taken if request.path.endswith("/catalogs") and (request.method == "POST") else None
    )
    assert "its owner must bind it" in setting_up.refused()


def test_network_of_the_workspace_is_used(setting_up: Setup) -> None:
    """A workspace that has a network configuration keeps it, and the endpoints go there."""
    setting_up.there.attached = "theirs"
    setting_up.run()
    assert (setting_up.there.networks, setting_up.there.attached) == ([], "theirs")
    assert len(setting_up.there.databricks.calls("POST", "/theirs/private-endpoint-rules")) == 3


def test_dead_endpoint_is_one_line(setting_up: Setup) -> None:
    """An approved endpoint needs no more words; one that can no longer be approved is told with the mend."""
    setting_up.run()
    endpoints = setting_up.there.endpoints
    for endpoint in endpoints:
        endpoint["connection_state"] = "ESTABLISHED"
    assert "approve it by" not in setting_up.run()
    for state in ("REJECTED", "DISCONNECTED", "EXPIRED", "CREATE_FAILED"):
        endpoints[0]["connection_state"] = state
        assert f"(blob) is {state}: remove its rule" in setting_up.refused()


def test_without_an_account_the_rest_is_made(setting_up: Setup) -> None:
    """Who does not administer the account makes what is in the workspace, and one line tells what is left."""
    setting_up.monkeypatch.delenv("DATABRICKS_ACCOUNT_ID")
    printed = setting_up.run()
    left = "left out: federation policy, budget, private endpoints of serverless compute"
    assert f"DATABRICKS_ACCOUNT_ID not set, so {left}" in printed
    assert not [request for request in setting_up.there.databricks.requests if "/accounts/" in request.path]
    assert ("catalog", "ml_dev") in setting_up.there.objects


def test_public_project_asks_nothing_of_the_account(setting_up: Setup) -> None:
    """Where networks are public, CI signs in through Azure and no budget is set, no account is needed."""
    setup.PRIVATE.unlink()
    setting_up.settings.write_text(SETTINGS.replace("budget: 200", "budget: 0"))
    for name in ("FEDERATION_ISSUER", "FEDERATION_SUBJECT", "DATABRICKS_ACCOUNT_ID"):
        setting_up.monkeypatch.delenv(name)
    assert "DATABRICKS_ACCOUNT_ID" not in setting_up.run()
    assert "skip_validation" not in setting_up.there.objects[SECURABLES[1]]


def test_without_identity_it_says_so(setting_up: Setup) -> None:
    """Without CI's identity the catalog is made, and the user is told what is left to do."""
    setting_up.monkeypatch.delenv("AZURE_CLIENT_ID")
    assert "AZURE_CLIENT_ID not set" in setting_up.run()
    assert setting_up.there.identities == setting_up.there.federation == []
    assert list(setting_up.there.grants["ml_dev"]) == ["ml", "all"]


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("INFRA_OUTPUTS", OUTPUTS.split()[0], "catalog_storage_url, access_connector_id, storage_account_name"),
        ("FEDERATION_SUBJECT", "", "FEDERATION_ISSUER and FEDERATION_SUBJECT go together"),
        ("ENVIRONMENT", "staging", "no environment staging"),
    ],
)
def test_bad_input_is_one_line(setting_up: Setup, variable: str, value: str, told: str) -> None:
    """What is missing or does not fit is named before anything is asked."""
    setting_up.monkeypatch.setenv(variable, value)
    assert told in setting_up.refused()
    assert setting_up.there.databricks.requests == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a", "setup.yml"),
        ("a: [", "cannot read"),
        (SETTINGS.replace("idle_minutes: 30", "idle_minutes: 60"), "clusters.idle_minutes"),
        (SETTINGS.replace("readers", "reader"), "environments.dev.reader"),
    ],
)
def test_bad_settings_are_one_line(setting_up: Setup, text: str, told: str) -> None:
    """A setting that nobody reads, or that goes too far, is named."""
    setting_up.settings.write_text(text)
    assert told in setting_up.refused()


def test_own_settings_are_good() -> None:
    """The project's own settings name every target of the bundle."""
    asked = setup.read_asked(ROOT / "databricks" / "setup.yml")
    assert set(asked.environments) == {"dev", "staging", "prod"}
