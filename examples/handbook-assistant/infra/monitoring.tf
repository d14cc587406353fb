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
