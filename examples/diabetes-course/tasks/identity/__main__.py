"""Makes what CI needs to reach Azure without a secret: identities, whom they trust, their rights, CI's variables.

Without --apply it only reads, and prints what is there and what it would make. What is there already stays as it is,
so it may run again: after a release that needs other rights, after a fault half way. Needs an Owner of the subscription
and an administrator of the repository, signed in on this computer.

Run: uv run poe identity                        what would be made for ENVIRONMENT, in AZURE_RESOURCE_GROUP
     uv run poe identity --apply                make it
     uv run poe identity --apply --also train   and a further identity without rights, for `train-<environment>`
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence

from . import ci, cloud
from .cloud import Azure, Identity, Place, Role
from .ledger import Ledger
from .service import CloudError


def roles(environment: str, also: Sequence[str] = ()) -> dict[str, Role]:
    """What CI does in an environment, each with an identity of its own."""
    return {
        "planner": Role(f"plan-{environment}", deploys=False),
        "deployer": Role(environment, deploys=True),
        **{name: Role(f"{name}-{environment}", deploys=False) for name in also},
    }


def connect(ledger: Ledger, azure: Azure, home: ci.Ci, role: Role) -> Identity | None:
    """An identity that one environment of CI can use and nobody else.

    Raises:
        CloudError: a service refuses.
    """
    name = f"id-{home.project}-{role.environment}"
    identity = azure.identity(name)
    federation = home.connect(ledger, azure.place, role, identity)
    azure.trust(name, federation)
    return identity


def make(ledger: Ledger, where: Place, home: ci.Ci, also: Sequence[str]) -> Mapping[str, Identity | None]:
    """Everything, in order. Returns the identities by what they are for.

    Raises:
        CloudError: a service refuses.
    """
    azure = Azure(where, ledger)
    azure.groups()
    made = {name: connect(ledger, azure, home, role) for name, role in roles(where.environment, also).items()}
    azure.rights(made["planner"], made["deployer"])
    return made


def main() -> None:
    """Make what is missing; exit code 2 with one line when a service refuses."""
    parser = argparse.ArgumentParser(prog="poe identity", description="Make what CI needs to reach Azure.")
    parser.add_argument("--apply", action="store_true", help="make what is missing; without it nothing is changed")
    parser.add_argument("--also", action="append", default=[], metavar="NAME", help="a further identity without rights")
    given = parser.parse_args()
    if wrong := [name for name in given.also if not re.fullmatch(r"[a-z][a-z0-9]{0,19}", name) or name == "plan"]:
        parser.error(f"--also {wrong[0]}: a name is up to 20 lower-case letters and digits, and not plan")
    ledger = Ledger(apply=given.apply)
    where = cloud.place()
    print(f"{where.environment}: resource group {where.group} in {where.subscription_name} ({where.subscription})")
    made = make(ledger, where, ci.here(), given.also)
    if not given.apply:
        print("Nothing was changed. To make what is missing: uv run poe identity --apply")
    for name, identity in made.items():
        if identity is not None:
            print(f"{name.upper()}={identity.principal}")
    if (deployer := made["deployer"]) is not None:
        print(f"AZURE_CLIENT_ID={deployer.client}")


if __name__ == "__main__":
    try:
        main()
    except CloudError as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nerror: interrupted; what was made stays, run it again", file=sys.stderr)
        sys.exit(130)
