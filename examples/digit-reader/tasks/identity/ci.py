"""The side of GitHub: an environment for each identity, with the variables that tell a job whom to sign in as.

GitHub decides how the subject of a job begins, and newer repositories have their ids in it. So it is read and never
written by hand, nor guessed from another setting. The repository is that of the remote `origin`, or GH_REPO.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from urllib.parse import quote

from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.policies import AzureKeyCredentialPolicy

from .cloud import Federation, Identity, Place, Role
from .ledger import Ledger
from .service import CloudError, Json, MissingError, Service, remote, run

# https://github.com/owner/repository.git, git@github.com:owner/repository.git, and GH_REPO's [host/]owner/repository
REPOSITORY = re.compile(r"(?:.*@|https?://)?(?:(?P<host>[^/@]+?)[/:])?(?P<path>[\w.-]+/[\w.-]+?)(?:\.git)?/?")


class Ci:
    """A repository on GitHub."""

    def __init__(self, host: str, repository: str) -> None:
        self.project = repository.rpartition("/")[2]
        api, self.issuer = addresses(host)
        mend = "gh auth login"
        token = run("gh", "auth", "token", "--hostname", host, mend=mend)
        self.service = Service(
            "GitHub",
            api,
            AzureKeyCredentialPolicy(AzureKeyCredential(token), "Authorization", prefix="Bearer"),
            f"Sign in as an administrator of {repository} ({mend}). What was made stays.",
        )
        self.path = f"repos/{repository}"

    def connect(self, ledger: Ledger, place: Place, role: Role, identity: Identity | None) -> Federation | None:
        """An environment of GitHub for an identity, with its variables. Returns whom the identity is to trust.

        Raises:
            CloudError: GitHub refuses, or makes subjects in another way.
        """
        federation = Federation("github", self.issuer, f"{self._prefix()}:environment:{role.environment}")
        path = f"{self.path}/environments/{quote(role.environment, safe='')}"
        ledger.keep(
            f"GitHub environment {role.environment}",
            lambda: self.service.get(path),
            {},
            lambda _: self.service.send("PUT", path),
        )
        values = {
            "AZURE_CLIENT_ID": identity.client if identity else None,
            "AZURE_TENANT_ID": place.tenant,
            "AZURE_SUBSCRIPTION_ID": place.subscription,
            "AZURE_RESOURCE_GROUP": place.group,
        }
        for name, value in values.items():
            self._variable(ledger, path, role.environment, {"name": name, "value": value})
        return federation

    def variables(self, place: Place, roles: dict[str, Role]) -> Iterator[tuple[str, str, str | None]]:
        """Every variable that a job may get, as place, name and value; None for a secret, which GitHub shows nobody.

        Raises:
            CloudError: GitHub refuses.
        """
        del place
        folders = {"the repository": f"{self.path}/actions"} | {
            role.environment: f"{self.path}/environments/{quote(role.environment, safe='')}" for role in roles.values()
        }
        for where, folder in folders.items():
            for key in ("variables", "secrets"):
                for one in self._pages(f"{folder}/{key}", key):
                    yield where, one["name"], one.get("value")

    def _pages(self, path: str, key: str) -> Iterator[Json]:
        """A list that GitHub hands out in pages."""
        for page in itertools.count(1):
            found = list(self.service.items(path, {"per_page": "30", "page": str(page)}, key))
            yield from found
            if len(found) < 30:
                return

    def _variable(self, ledger: Ledger, environment: str, where: str, wanted: Json) -> None:
        """A variable of an environment."""
        folder = f"{environment}/variables"

        def write(found: Json | None) -> Json:
            if found is None:
                return self.service.send("POST", folder, wanted)
            return self.service.send("PATCH", f"{folder}/{wanted['name']}", wanted)

        what = f"variable {wanted['name']} of {where}"
        ledger.keep(what, lambda: self.service.get(f"{folder}/{wanted['name']}"), wanted, write)

    def _prefix(self) -> str:
        """How the subject of a job begins."""
        told = self.service.get(f"{self.path}/actions/oidc/customization/sub")
        if told is None:
            raise CloudError(f"GitHub shows no {self.path.removeprefix('repos/')}: {self.service.mend}")
        if not told.get("use_default", True) and told.get("include_claim_keys") not in (None, ["repo", "context"]):
            raise MissingError(
                f"subjects are made from {told['include_claim_keys']}, which this task does not know: "
                f"gh api --method PUT {self.path}/actions/oidc/customization/sub -F use_default=true"
            )
        prefix = told.get("sub_claim_prefix")
        if not prefix:
            raise MissingError(
                "GitHub does not tell how a subject begins (sub_claim_prefix), and a guess could let somebody else in: "
                "make the federated credential by hand, from the subject that a job's sign-in shows"
            )
        return str(prefix)


def addresses(host: str) -> tuple[str, str]:
    """The API of a GitHub and the issuer of its jobs' tokens: github.com, data residency, or a server of one's own."""
    if host == "github.com":
        return "https://api.github.com", "https://token.actions.githubusercontent.com"
    if host.endswith(".ghe.com"):
        return f"https://api.{host}", f"https://token.actions.{host}"
    return f"https://{host}/api/v3", f"https://{host}/_services/token"


def here() -> Ci:
    """The repository of this project.

    Raises:
        CloudError: it is on no GitHub, or nobody is signed in there.
    """
    address = os.environ.get("GH_REPO") or remote()
    known = REPOSITORY.fullmatch(address.removeprefix("ssh://"))
    if known is None:
        raise CloudError(f"{address} is no repository on GitHub: set GH_REPO=<owner>/<repository>")
    return Ci(known["host"] or "github.com", known["path"])
