"""What a project's platform files read of its infrastructure: the same names in every infrastructure language."""

from __future__ import annotations

OUTPUTS = {
    "aml": {
        "workspace_name",
        "resource_group_name",
        "storage_account_name",
        "key_vault_name",
        "container_registry_name",
        "application_insights_name",
        "compute_name",
        "compute_identity_client_id",
    },
    "databricks": {
        "workspace_name",
        "workspace_url",
        "resource_group_name",
        "storage_account_name",
        "catalog_storage_url",
        "access_connector_id",
    },
}
