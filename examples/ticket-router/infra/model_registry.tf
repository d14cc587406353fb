# Models that environments share: what dev registers here, staging and prod use as it is. One environment makes it, and the
# others name it. azurerm does not know this kind of resource.
resource "azapi_resource" "model_registry" {
  count     = var.model_registry ? 1 : 0
  type      = "Microsoft.MachineLearningServices/registries@2025-06-01"
  name      = "mlr-${var.workload}-${local.hash}"
  parent_id = data.azurerm_resource_group.main.id
  location  = var.location
  tags      = local.tags

  identity {
    type = "SystemAssigned"
  }

  body = {
    properties = {
      publicNetworkAccess = "Enabled"
      regionDetails = [{
        location = var.location
        acrDetails = [{
          systemCreatedAcrAccount = {
            acrAccountSku = "Premium"
          }
        }]
        storageAccountDetails = [{
          systemCreatedStorageAccount = {
            storageAccountType       = "Standard_ZRS"
            storageAccountHnsEnabled = false
            allowBlobPublicAccess    = false
          }
        }]
      }]
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "model_registry" {
  count                      = var.model_registry ? 1 : 0
  name                       = "all"
  target_resource_id         = azapi_resource.model_registry[0].id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "allLogs"
  }
}

resource "azurerm_management_lock" "model_registry" {
  count      = var.model_registry && var.delete_locks ? 1 : 0
  name       = "keep"
  scope      = azapi_resource.model_registry[0].id
  lock_level = "CanNotDelete"
  notes      = "Models that environments share."
}

# CI of this environment, and of the others that use it.
resource "azurerm_role_assignment" "model_registry" {
  for_each           = toset(var.model_registry ? compact(concat([var.ml_identity_id], var.model_registry_user_ids)) : [])
  scope              = azapi_resource.model_registry[0].id
  role_definition_id = "${local.role_definitions}/${local.roles.azureml_registry_user}"
  principal_id       = each.key
  principal_type     = "ServicePrincipal"
}
