"""Runs Terraform on one environment: its values are infra/<environment>.tfvars, its state lies where
infra/<environment>.tfbackend says.

ENVIRONMENT chooses (dev when unset), AZURE_RESOURCE_GROUP names where to deploy. The sign-in is that of `az login`, in
AZURE_SUBSCRIPTION_ID or the CLI's own subscription. Every command sets up the state first, since two environments share
the folder in which Terraform remembers where it is.

`drift` plans too, and tells by its exit code: 0 when nothing would change, 3 when something would.

Run: python tasks/terraform.py plan | drift | deploy | outputs      (tasks infra-plan, infra-drift and so on)
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

INFRA = Path("infra")
DRIFT = 3  # our exit code; Terraform's own for it is what ours is for a failure
CHANGES = 2  # Terraform's, with -detailed-exitcode


class InfraError(Exception):
    """Terraform could not begin or did not end; the text is one line."""


def terraform(
    *arguments: str, stdout: int | None = None, answers: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[str]:
    """Run Terraform in infra/, whose exit code may be one of the answers.

    Raises:
        InfraError: Terraform is not there, or fails.
    """
    environment = {**os.environ, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    if subscription := os.environ.get("AZURE_SUBSCRIPTION_ID"):
        environment.setdefault("ARM_SUBSCRIPTION_ID", subscription)
    try:
        done = subprocess.run(
            ["terraform", f"-chdir={INFRA}", *arguments], env=environment, stdout=stdout, text=True, check=False
        )
    except FileNotFoundError as error:
        raise InfraError("terraform is not installed: uv run poe infra-tools") from error
    if done.returncode not in answers:
        raise InfraError(f"terraform {arguments[0]} failed, see above")
    return done


def target() -> tuple[str, str]:
    """The environment and its resource group.

    Raises:
        InfraError: one is missing, or the environment has no files or no place for its state.
    """
    environment = os.environ.get("ENVIRONMENT") or "dev"
    group = os.environ.get("AZURE_RESOURCE_GROUP")
    if not group:
        raise InfraError(f"AZURE_RESOURCE_GROUP is not set: export the name of the resource group of {environment}")
    values, backend = INFRA / f"{environment}.tfvars", INFRA / f"{environment}.tfbackend"
    for path in (values, backend):
        if not path.is_file():
            raise InfraError(f"ENVIRONMENT is {environment}: there is no {path.as_posix()}")
    if not re.search(r'^storage_account_name\s*=\s*"\w+"', backend.read_text("utf-8"), re.MULTILINE):
        raise InfraError(f"{backend.as_posix()} names no storage account: docs/infra.md tells how to make one")
    return environment, group


def run(command: str) -> int:
    """Set up the state, then plan, look for drift, deploy or print the outputs, and return the exit code.

    Raises:
        InfraError: as `target` and `terraform` raise it, or nothing is deployed that could be printed.
    """
    environment, group = target()
    values = (f"-var-file={environment}.tfvars", f"-var=resource_group_name={group}")
    color = () if sys.stdout.isatty() else ("-no-color",)
    # To the error stream: whoever reads the outputs wants nothing else on the other.
    # -reconfigure: never carry the state of one environment over to the next.
    terraform("init", "-reconfigure", f"-backend-config={environment}.tfbackend", *color, stdout=sys.stderr.fileno())
    if command == "plan":
        # Without a lock, so that the identity of a pull request needs no right to write.
        terraform("plan", "-lock=false", *values, *color)
    elif command == "drift":
        done = terraform("plan", "-detailed-exitcode", "-lock=false", *values, *color, answers=(0, CHANGES))
        return DRIFT if done.returncode == CHANGES else 0
    elif command == "deploy":
        terraform("apply", "-auto-approve", "-lock-timeout=5m", *values, *color)
    else:
        outputs = json.loads(terraform("output", "-json", stdout=subprocess.PIPE).stdout)
        if not outputs:
            raise InfraError(f"nothing is deployed in {environment} yet: uv run poe infra-deploy")
        print("\n".join(f"{name}={output['value']}" for name, output in outputs.items()))
    return 0


def main() -> None:
    """Run a command; exit code 2 with one line when it fails."""
    parser = argparse.ArgumentParser(description="Run Terraform on one environment.")
    parser.add_argument("command", choices=["plan", "drift", "deploy", "outputs"])
    command = parser.parse_args().command
    # An interrupt reaches Terraform too, which then ends in order and gives back its lock. So outlive it.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        sys.exit(run(command))
    except InfraError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
