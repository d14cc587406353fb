# A vault read by role, never by access policy. Its firewall is shut even where the endpoint is public: Azure ML comes in as a
# trusted service, and no job needs a secret.
resource "azurerm_key_vault" "main" {
  name                          = "kv-${local.base_name}-${local.hash}"
  resource_group_name           = data.azurerm_resource_group.main.name
  location                      = var.location
  tags                          = local.tags
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true # cannot be turned off again
  soft_delete_retention_days    = var.vault_recovery_days
  public_network_access_enabled = true

  network_acls {
    bypass         = "AzureServices"
    default_action = "Deny"
  }
}

resource "azurerm_monitor_diagnostic_setting" "vault" {
  name                       = "audit"
  target_resource_id         = azurerm_key_vault.main.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "audit"
  }
}

resource "azurerm_management_lock" "vault" {
  count      = var.delete_locks ? 1 : 0
  name       = "keep"
  scope      = azurerm_key_vault.main.id
  lock_level = "CanNotDelete"
  notes      = "Secrets of the workspace."
}
