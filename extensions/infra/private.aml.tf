
locals {
  platform_subnets = {} # machines of Azure ML live in a network that Azure keeps

  platform_endpoints = merge(
    {
      blob      = { id = azurerm_storage_account.main.id, group = "blob", zones = ["privatelink.blob.core.windows.net"] }
      file      = { id = azurerm_storage_account.main.id, group = "file", zones = ["privatelink.file.core.windows.net"] }
      queue     = { id = azurerm_storage_account.main.id, group = "queue", zones = ["privatelink.queue.core.windows.net"] }
      table     = { id = azurerm_storage_account.main.id, group = "table", zones = ["privatelink.table.core.windows.net"] }
      vault     = { id = azurerm_key_vault.main.id, group = "vault", zones = ["privatelink.vaultcore.azure.net"] }
      registry  = { id = azurerm_container_registry.main.id, group = "registry", zones = ["privatelink.azurecr.io"] }
      workspace = { id = azurerm_machine_learning_workspace.main.id, group = "amlworkspace", zones = local.workspace_zones }
    },
    var.model_registry ? {
      modelregistry = { id = azapi_resource.model_registry[0].id, group = "amlregistry", zones = ["privatelink.api.azureml.ms"] }
    } : {},
  )
  workspace_zones = ["privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"]
}

# The cheapest firewall that knows host names. It has to be chosen before the first rule brings it into being.
resource "azapi_update_resource" "firewall" {
  type        = "Microsoft.MachineLearningServices/workspaces@2025-06-01"
  resource_id = azurerm_machine_learning_workspace.main.id

  body = {
    properties = {
      managedNetwork = {
        firewallSku = "Basic"
      }
    }
  }
}

# What machines of Azure ML may reach besides Azure's own services. Azure takes one change of the network at a time.
resource "azapi_resource" "packages" {
  for_each  = toset(var.package_hosts)
  type      = "Microsoft.MachineLearningServices/workspaces/outboundRules@2025-06-01"
  name      = "fqdn-${replace(each.key, ".", "-")}"
  parent_id = azurerm_machine_learning_workspace.main.id
  locks     = [azurerm_machine_learning_workspace.main.id]

  body = {
    properties = {
      type        = "FQDN"
      category    = "UserDefined"
      destination = each.key
    }
  }

  depends_on = [azapi_update_resource.firewall]
}

# Parallel jobs hand out their files over a queue and note in a table what is done. Azure sees to blobs and files by itself.
resource "azapi_resource" "storage" {
  for_each  = toset(["queue", "table"])
  type      = "Microsoft.MachineLearningServices/workspaces/outboundRules@2025-06-01"
  name      = "pe-${each.key}"
  parent_id = azurerm_machine_learning_workspace.main.id
  locks     = [azurerm_machine_learning_workspace.main.id]

  body = {
    properties = {
      type     = "PrivateEndpoint"
      category = "UserDefined"
      destination = {
        serviceResourceId = azurerm_storage_account.main.id
        subresourceTarget = each.key
        sparkEnabled      = false
      }
    }
  }

  depends_on = [azapi_update_resource.firewall]
}
