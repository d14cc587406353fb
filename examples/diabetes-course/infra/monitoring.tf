# Where logs go. Log Analytics takes Entra tokens only, never its own keys.
resource "azurerm_log_analytics_workspace" "main" {
  name                            = "log-${local.base_name}"
  resource_group_name             = data.azurerm_resource_group.main.name
  location                        = var.location
  tags                            = local.tags
  sku                             = "PerGB2018"
  retention_in_days               = var.log_retention_days
  local_authentication_enabled    = false
  allow_resource_only_permissions = true
}

# Who asked what of the logs, kept beside them.
resource "azurerm_monitor_diagnostic_setting" "logs" {
  name                       = "audit"
  target_resource_id         = azurerm_log_analytics_workspace.main.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "audit"
  }
}
