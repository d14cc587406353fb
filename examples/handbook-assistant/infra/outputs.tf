# The contract that the project's Databricks files read, the same in every infrastructure language: these names do not change.

output "workspace_name" {
  value = azurerm_databricks_workspace.main.name
}

output "workspace_url" {
  value = "https://${azurerm_databricks_workspace.main.workspace_url}"
}

output "resource_group_name" {
  value = data.azurerm_resource_group.main.name
}

output "storage_account_name" {
  value = azurerm_storage_account.main.name
}

output "catalog_storage_url" {
  value = "abfss://${azurerm_storage_container.catalog.name}@${azurerm_storage_account.main.primary_dfs_host}/"
}

output "access_connector_id" {
  value = azurerm_databricks_access_connector.main.id
}
