# Images of training and serving environments. Pulled with the AcrPull role; the admin user stays off.
resource "azurerm_container_registry" "main" {
  name                          = "cr${var.workload}${local.code}${local.hash}"
  resource_group_name           = data.azurerm_resource_group.main.name
  location                      = var.location
  tags                          = local.tags
  sku                           = var.registry_sku
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = true
  network_rule_bypass_option    = "AzureServices"
}

resource "azurerm_monitor_diagnostic_setting" "registry" {
  name                       = "all"
  target_resource_id         = azurerm_container_registry.main.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "allLogs"
  }
}

resource "azurerm_management_lock" "registry" {
  count      = var.delete_locks ? 1 : 0
  name       = "keep"
  scope      = azurerm_container_registry.main.id
  lock_level = "CanNotDelete"
  notes      = "Images that registered models run in."
}
