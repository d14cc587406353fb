"""Who this program is to Azure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential


def credential() -> DefaultAzureCredential:
    """The identity of whoever runs the program: a person who has signed in, a job or a container.

    A job of Azure ML has an identity whose id stands in a variable of its own.
    """
    from azure.identity import DefaultAzureCredential  # takes a second, and only services need it

    client = os.environ.get("DEFAULT_IDENTITY_CLIENT_ID") or os.environ.get("AZURE_CLIENT_ID")
    return DefaultAzureCredential(managed_identity_client_id=client)
