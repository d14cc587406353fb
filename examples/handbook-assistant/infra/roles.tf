# Every right in this resource group. People and jobs hold none: Unity Catalog checks their grants and opens the files as the
# access connector.

locals {
  # The key is the display name, and a test of the template holds it against the id.
  roles = {
    storage_blob_data_contributor = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
  }
}

resource "azurerm_role_assignment" "connector" {
  scope              = azurerm_storage_account.main.id
  role_definition_id = "${local.role_definitions}/${local.roles.storage_blob_data_contributor}"
  principal_id       = azurerm_databricks_access_connector.main.identity[0].principal_id
  principal_type     = "ServicePrincipal" # without it Azure looks for a new identity and may not find it yet
}
