# The contract that the project's Azure ML files read, the same in every infrastructure language: these names do not change.

output "workspace_name" {
  value = azurerm_machine_learning_workspace.main.name
}

output "resource_group_name" {
  value = data.azurerm_resource_group.main.name
}

output "storage_account_name" {
  value = azurerm_storage_account.main.name
}

output "key_vault_name" {
  value = azurerm_key_vault.main.name
}

output "container_registry_name" {
  value = azurerm_container_registry.main.name
}

output "application_insights_name" {
  value = azurerm_application_insights.main.name
}

output "compute_name" {
  value = azurerm_machine_learning_compute_cluster.main.name
}

output "compute_identity_client_id" {
  value = azurerm_user_assigned_identity.compute.client_id
}

output "serving_identity_client_id" {
  value = azurerm_user_assigned_identity.serving.client_id
}

output "model_registry_name" {
  value = var.model_registry ? azapi_resource.model_registry[0].name : ""
}
