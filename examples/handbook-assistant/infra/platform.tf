# Azure Databricks: a workspace, the container for Unity Catalog and the identity with which Unity Catalog opens it.
#
# Storage credential, external location, catalog and grants are no resources of Azure: `poe platform-setup` makes them from
# the outputs.

locals {
  storage_hierarchical = true # Unity Catalog wants a lake
}

resource "azurerm_storage_container" "catalog" {
  name                  = "catalog"
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

resource "azurerm_databricks_access_connector" "main" {
  name                = "dbac-${local.base_name}"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_databricks_workspace" "main" {
  name                = "dbw-${local.base_name}"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags
  sku                 = "premium" # Unity Catalog, and logs of what people do
  # Databricks makes this group for its own network and storage, and denies changes in it to everybody else. Its name must be
  # free in the subscription.
  managed_resource_group_name           = "rg-dbw-${local.base_name}-${local.hash}"
  public_network_access_enabled         = true
  network_security_group_rules_required = "AllRules"

  custom_parameters {
    no_public_ip = true
  }
}

resource "azurerm_monitor_diagnostic_setting" "workspace" {
  name                       = "all"
  target_resource_id         = azurerm_databricks_workspace.main.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "allLogs"
  }
}
