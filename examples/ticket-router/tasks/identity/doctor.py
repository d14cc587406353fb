"""Tells which prerequisite of a deployment is missing, and how to mend it. It changes nothing and prints no secret.

First what this computer knows by itself, then what Azure and CI answer: the dry run of `poe identity`, and what only a
look can tell, such as quota. A service that cannot be asked ends its own part only.

Run: uv run poe doctor      for ENVIRONMENT (dev when unset), in AZURE_RESOURCE_GROUP
Exit code 0: nothing is missing, and everything could be asked. 1: otherwise.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import ci, cloud, parameters
from .__main__ import connect, roles
from .cloud import Azure, Identity, Place
from .ledger import Ledger, State
from .service import SECRET, CloudError, MissingError

NETWORK = Path("infra/network.json")
# Names under which people keep secrets. What AZURE_TOKEN_CREDENTIALS holds is the name of a way to sign in.
SECRET_NAME = re.compile(r"SECRET|PASSWORD|TOKEN|CREDENTIALS|CONNECTION_STRING|_KEY$|_PAT$|_SAS$")
HARMLESS = {"AZURE_TOKEN_CREDENTIALS"}
SIGN_IN = re.compile(r"(AZURE|ARM|DATABRICKS)_")
GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
GROUP_ID = rf"/subscriptions/{GUID}/resourceGroups/[\w.()-]{{1,90}}"
HUB_ID = rf"{GROUP_ID}/providers/Microsoft\.Network/virtualNetworks/[\w.-]{{2,64}}"
MEND = "uv run poe identity --apply"


class Findings(Ledger):
    """A ledger that makes nothing, and counts what is missing."""

    def __init__(self) -> None:
        super().__init__(apply=False)
        self.healthy = True

    def note(self, what: str, state: State) -> None:
        """Say what the dry run found."""
        if state is State.THERE:
            self.ok(what)
        else:
            self.missing(what if state is State.MISSING else f"{what}, as it should be", MEND)

    def ok(self, what: str) -> None:
        """Say that something is as it should be."""
        print(f"ok       {what}", flush=True)

    def missing(self, what: str, mend: str) -> None:
        """Say what is missing, and the mend."""
        self.healthy = False
        print(f"missing  {what}: {mend}", flush=True)

    def check(self, fine: bool, what: str, mend: str) -> None:
        """Say one of the two."""
        if fine:
            self.ok(what)
        else:
            self.missing(what, mend)

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Checks that end with the first thing that cannot be asked, which is said."""
        try:
            yield
        except CloudError as error:
            self.healthy = False
            print(f"{'missing' if isinstance(error, MissingError) else 'unknown'}  {what}: {error}", flush=True)


def is_secret(name: str, value: str | None) -> bool:
    """Whether a variable holds a secret, by its value or, as nobody may see that, by its name."""
    named = bool(SECRET_NAME.search(name)) and name not in HARMLESS and value != ""
    return named or (value is not None and bool(SECRET.search(value)))


def local_variables(found: Findings) -> None:
    """The variables of this terminal that a sign-in would read."""
    kept = sorted(name for name, value in os.environ.items() if SIGN_IN.match(name) and is_secret(name, value))
    for name in kept:
        found.missing(f"no secret in this terminal's {name}", f"unset {name}; az login needs none")
    if not kept:
        found.ok("no secret in the variables of this terminal")


def filled_in(found: Findings, environment: str, values: Mapping[str, Any]) -> None:
    """What a person has to write into the parameter file; docs/resources.md, section 4, explains each."""
    wanted = {
        "people_group_id": "az ad group show --group <name> --query id --output tsv",
        "budget_start_date": "the first day of this month, as 2026-01-01; without it there is no budget",
        "budget_emails": "who hears of costs; without an address there is no budget",
        "state_account": "the storage account that docs/infra.md, section 2, makes",
    }
    for name, mend in wanted.items():
        # In prod people may have no business.
        if name in values and not (name == "people_group_id" and environment == "prod"):
            what = f"{name.replace('_', ' ')} of {environment}"
            found.check(bool(values[name]), what, f"write it into infra/: {mend}")


def network(found: Findings, environment: str, values: Mapping[str, Any]) -> None:
    """The address plan, and the ids of what the network team owns, whose rights are theirs to give."""
    plan = json.loads(NETWORK.read_text("utf-8")).get(environment, {})
    try:
        spaces = [ipaddress.IPv4Network(space) for space in plan["addressPrefixes"]]
        subnets = [ipaddress.IPv4Network(subnet) for subnet in plan["subnets"].values()]
        fits = bool(subnets) and all(any(subnet.subnet_of(space) for space in spaces) for subnet in subnets)
    except (KeyError, ValueError):
        fits = False
    what = f"address plan of {environment} in {NETWORK.as_posix()}"
    found.check(fits, what, "bring it back from git: it is never planned again")
    file = parameters.file(environment).as_posix()
    hub, zones = str(values.get("hub_network_id", "")), str(values.get("private_dns_group_id", ""))
    id_of = "az network vnet show --name <name> --resource-group <group> --query id --output tsv"
    found.check(not hub or bool(re.fullmatch(HUB_ID, hub)), f"hub network id in {file}", id_of)
    brought = values.get("private_dns") == "byo"
    group_of = "az group show --name <group of the zones> --query id --output tsv"
    well_formed = bool(re.fullmatch(GROUP_ID, zones)) if zones else not brought
    found.check(well_formed, f"private DNS group id in {file}", group_of)
    if values.get("egress") == "appliance":
        well_formed = bool(re.fullmatch(r"\d+(\.\d+){3}", str(values.get("appliance_address", ""))))
        found.check(well_formed, f"appliance address in {file}", "the firewall's private address, from its team")


def identities(found: Findings, azure: Azure, home: ci.Ci) -> Mapping[str, Identity | None]:
    """What `poe identity` makes, each identity apart."""
    made: dict[str, Identity | None] = {"planner": None, "deployer": None}
    with found.part("groups and providers"):
        azure.groups()
    for name, role in roles(azure.place.environment).items():
        with found.part(f"identity of the {name}"):
            made[name] = connect(found, azure, home, role)
    with found.part("roles"):
        azure.rights(made["planner"], made["deployer"])
    return made


def ml_identity(found: Findings, azure: Azure, values: Mapping[str, Any], deployer: Identity | None) -> None:
    """The parameter that lets CI work in the workspace names an identity of CI."""
    if "ml_identity_id" not in values:
        return
    given, file = values["ml_identity_id"], parameters.file(azure.place.environment).as_posix()
    mend = f"write {deployer.principal} there, the deployer" if deployer else f"{MEND} prints it as DEPLOYER"
    found.check(given in azure.principals(), f"ml identity id in {file}", mend)


def variables(found: Findings, home: ci.Ci, place: Place) -> None:
    """CI's variables: what the platform needs is there, and nothing is a secret."""
    given = list(home.variables(place, roles(place.environment)))
    for name, output in cloud.rights()["variables"].items():
        known = any(variable == name and value for _, variable, value in given)
        mend = f"after the first deployment, the output {output} of uv run poe infra-outputs"
        found.check(known, f"CI's variable {name}", mend)
    kept = [(where, name) for where, name, value in given if is_secret(name, value)]
    for where, name in kept:
        found.missing(f"no secret in {name} of {where}", "delete it, and where it came from; CI needs none")
    if not kept:
        found.ok("no secret among CI's variables")


def quota(found: Findings, azure: Azure, values: Mapping[str, Any]) -> None:
    """Whether the region has enough cores left for the cluster, where the platform says whom to ask."""
    asked = cloud.rights().get("quota")
    if not asked:
        return
    path = f"{azure.place.root}/providers/{asked['provider']}/locations/{azure.place.location}"
    query = {"api-version": asked["api_version"]}
    name = values.get("compute_vm_size") or asked["size"]
    size = next((one for one in azure.service.items(f"{path}/vmSizes", query) if one["name"] == name), None)
    what = f"quota for {name} in {azure.place.location}"
    if size is None:
        file = parameters.file(azure.place.environment).as_posix()
        raise MissingError(f"the region does not offer this size: choose another compute VM size in {file}")
    cores = size["vCPUs"] * int(values.get("compute_max_nodes") or 1)
    family = re.sub(r"[^a-z0-9]", "", f"{size['family']} cluster dedicated".lower())
    for usage in azure.service.items(f"{path}/usages", query):
        if re.sub(r"[^a-z0-9]", "", usage["name"]["value"].lower()).startswith(family):
            free = usage["limit"] - usage["currentValue"]
            found.check(
                free >= cores, f"{what} ({cores} cores, {free} free)", "ask for more in studio, Quota: it takes days"
            )
            return
    raise CloudError(f"Azure names no quota for the family {size['family']}: look in studio, Quota")


def main() -> None:
    """Run all checks; exit code 1 when something is missing or could not be asked."""
    found = Findings()
    local_variables(found)
    values: Mapping[str, Any] = {}
    with found.part("settings"):
        environment, _ = cloud.chosen()
    environment = os.environ.get("ENVIRONMENT") or "dev"
    with found.part("parameters"):
        values = cloud.values(environment)
        filled_in(found, environment, values)
        if NETWORK.is_file():
            network(found, environment, values)
    place = home = None
    with found.part("sign-in to Azure"):
        place = cloud.place()
        found.ok(f"signed in to Azure, subscription {place.subscription_name}")
    with found.part("sign-in to CI"):
        home = ci.here()
        found.ok(f"signed in to {home.service.name}")
    if place is not None:
        azure = Azure(place, found)
        made: Mapping[str, Identity | None] = {}
        if home is not None:
            made = identities(found, azure, home)
            with found.part("variables of CI"):
                variables(found, home, place)
        with found.part("identity in the parameters"):
            ml_identity(found, azure, values, made.get("deployer"))
        with found.part("quota"):
            quota(found, azure, values)
    sys.exit(0 if found.healthy else 1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
