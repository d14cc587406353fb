"""What an administrator of the Databricks account makes for a workspace: see setup.py.

The account is not the workspace: it has an address and administrators of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import submit
from steps import Steps, equal

from handbook_assistant import NAME
from handbook_assistant.errors import InputError
from handbook_assistant.registry import PATIENCE

if TYPE_CHECKING:
    from databricks.sdk import AccountClient
    from databricks.sdk.service.billing import AlertConfiguration
    from databricks.sdk.service.settings import NccPrivateEndpointRule

# Percentages of the budget at which it mails.
ALERTS = (50, 80, 100)


@dataclass(frozen=True)
class Federation:
    """The tokens of CI that Databricks is to trust; without an issuer, none."""

    issuer: str
    subject: str
    audience: str

    def __post_init__(self) -> None:
        if bool(self.issuer) != bool(self.subject):
            raise InputError("FEDERATION_ISSUER and FEDERATION_SUBJECT go together: set both or none")


def connect(host: str, account: str) -> AccountClient:
    """A client for the account.

    Raises:
        InputError: nobody is signed in.
    """
    from databricks.sdk import AccountClient
    from databricks.sdk.config import Config

    try:
        return AccountClient(config=Config(host=host, account_id=account, retry_timeout_seconds=PATIENCE))
    except ValueError as error:
        raise InputError(f"the Databricks account does not know who you are: run az login ({error})") from error


@dataclass(frozen=True)
class Account:
    """What an administrator of the Databricks account does, for one workspace.

    Args:
        there: the account.
        steps: how to make things.
        environment: its name, which is the target's.
        number: the id of the workspace.
    """

    there: AccountClient
    steps: Steps
    environment: str
    number: int

    def ensure_federation(self, identity: str, issuer: str, subject: str, audience: str) -> None:
        """Let Databricks itself trust the tokens of CI, so that it signs in without Azure.

        Raises:
            InputError: the account does not know CI's identity.
        """
        from databricks.sdk.service.oauth2 import FederationPolicy, OidcFederationPolicy

        known = self.there.service_principals_v2.list(filter=f'applicationId eq "{identity}"')
        principal, policies = next(iter(known), None), self.there.service_principal_federation_policy
        if principal is None and not self.steps.dry:
            raise InputError(f"the account does not know {identity} yet: run this again in some minutes")
        number = int(str(principal.id)) if principal else 0
        # Databricks takes the account's own id where a policy names no audience.
        usual = self.there.config.account_id
        rules = [one.oidc_policy for one in policies.list(number) if one.oidc_policy] if principal else []
        holds = any(
            (rule.issuer, rule.subject) == (issuer, subject) and (audience or usual) in (rule.audiences or [usual])
            for rule in rules
        )
        wanted = OidcFederationPolicy(issuer=issuer, subject=subject, audiences=[audience] if audience else None)
        policy = FederationPolicy(description=f"{NAME} {self.environment}", oidc_policy=wanted)
        self.steps.hold(f"federation policy for {subject}", holds, lambda: policies.create(number, policy))

    def ensure_budget(self, amount: float, emails: list[str]) -> None:
        """A month's budget for the workspace, which mails."""
        from databricks.sdk.service.billing import CreateBudgetConfigurationBudget, UpdateBudgetConfigurationBudget

        budgets, name = self.there.budgets, f"{NAME} {self.environment}"
        mails = [{"action_type": "EMAIL_NOTIFICATION", "target": email} for email in emails]
        alerts = [
            {
                "quantity_type": "LIST_PRICE_DOLLARS_USD",
                "time_period": "MONTH",
                "trigger_type": "CUMULATIVE_SPENDING_EXCEEDED",
                "quantity_threshold": f"{amount * share / 100:.2f}",
                "action_configurations": mails,
            }
            for share in ALERTS
        ]
        here = {"workspace_id": {"operator": "IN", "values": [self.number]}}
        wanted = {"display_name": name, "filter": here, "alert_configurations": alerts}
        found = next((budget for budget in budgets.list() if budget.display_name == name), None)
        if found is None:
            new = CreateBudgetConfigurationBudget.from_dict(wanted)
            self.steps.take(f"budget {name}", "created", lambda: budgets.create(new))
            return
        number = str(found.budget_configuration_id)
        change = UpdateBudgetConfigurationBudget.from_dict({**wanted, "budget_configuration_id": number})
        same = _alerts(found.alert_configurations) == _alerts(change.alert_configurations)
        self.steps.hold(f"budget {name}", same, lambda: budgets.update(number, change), "changed")

    def ensure_network(self, region: str, targets: Mapping[str, Iterable[str]]) -> None:
        """Lead serverless compute to resources that no public network reaches, by private endpoints.

        Args:
            region: the workspace's.
            targets: the sub-resources to reach by the resource's id.

        Raises:
            InputError: an endpoint is there that can no longer be approved.
        """
        attached = self.there.workspaces.get(self.number)
        network = attached.network_connectivity_config_id
        if network:
            submit.say(f"network configuration {network} of the workspace is there already")
        else:
            network = self._attach(region)
        rules = list(self.there.network_connectivity.list_private_endpoint_rules(network)) if network else []
        for resource, groups in targets.items():
            for group in groups:
                self._ensure_endpoint(network, rules, resource, group)

    def _attach(self, region: str) -> str | None:
        """Give the workspace a network configuration of its own; the configuration's id."""
        from databricks.sdk.service.provisioning import Workspace
        from databricks.sdk.service.settings import CreateNetworkConnectivityConfiguration

        # The service takes 30 characters.
        networks, name = self.there.network_connectivity, f"{NAME[:22]}-{self.environment}"
        listed = networks.list_network_connectivity_configurations()
        made = self.steps.ensure(
            f"network configuration {name}",
            next((one for one in listed if (one.name, one.region) == (name, region)), None),
            lambda: networks.create_network_connectivity_configuration(
                CreateNetworkConnectivityConfiguration(name=name, region=region)
            ),
        )
        number = made.network_connectivity_config_id if made else None
        change = Workspace(network_connectivity_config_id=number)
        self.steps.take(
            f"  the workspace's use of {name}",
            "switched on",
            lambda: self.there.workspaces.update(self.number, change, update_mask="network_connectivity_config_id"),
        )
        return number

    def _ensure_endpoint(
        self, network: str | None, rules: list[NccPrivateEndpointRule], resource: str, group: str
    ) -> None:
        from databricks.sdk.service.settings import CreatePrivateEndpointRule

        what = f"private endpoint to {resource.rpartition('/')[2]} ({group})"
        rule = self.steps.ensure(
            what,
            next((one for one in rules if equal(one.resource_id, resource) and one.group_id == group), None),
            lambda: self.there.network_connectivity.create_private_endpoint_rule(
                str(network), CreatePrivateEndpointRule(resource_id=resource, group_id=group)
            ),
        )
        if rule is None:
            return
        state = rule.connection_state.value if rule.connection_state else "PENDING"
        if rule.deactivated or state not in ("CREATING", "PENDING", "ESTABLISHED"):
            raise InputError(
                f"{what} is {state}: remove its rule from network configuration {network} in the account's console, "
                "then run this again"
            )
        if state != "ESTABLISHED":
            submit.say(f"  not open yet: {approval(resource, rule.endpoint_name)}")


def _alerts(listed: list[AlertConfiguration] | None) -> dict[float, set[str | None]]:
    """Who hears at which amount."""
    return {
        float(alert.quantity_threshold or 0): {action.target for action in alert.action_configurations or []}
        for alert in listed or []
    }


def approval(resource: str, endpoint: str | None) -> str:
    """How to approve this endpoint, and no other that waits at the same resource."""
    if not endpoint:
        return "run this again in some minutes to hear how it is approved"
    query = f"[?ends_with(properties.privateEndpoint.id, '/{endpoint}')].id"
    listed = f'az network private-endpoint-connection list --id {resource} --query "{query}" --output tsv'
    return f"approve it by az network private-endpoint-connection approve --description {NAME} --id $({listed})"
