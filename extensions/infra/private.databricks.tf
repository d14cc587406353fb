
locals {
  # Two subnets that Databricks fills with its machines; a machine has an address in each.
  platform_subnets = {
    databricks-host      = merge(local.databricks_subnet, { range = local.network.subnets.databricksHost })
    databricks-container = merge(local.databricks_subnet, { range = local.network.subnets.databricksContainer })
  }
  databricks_subnet = { machines = true, delegations = ["Microsoft.Databricks/workspaces"], rules = local.databricks_rules }

  # Databricks wants to know that its subnets carry rules.
  secured = { for name, association in azurerm_subnet_network_security_group_association.main : name => association.id }

  # Sign-in and what the browser shows come from Azure's own services, whatever else is shut.
  databricks_rules = [for number, name in ["AzureActiveDirectory", "AzureFrontDoor.Frontend"] : {
    name        = ["AllowEntraOutBound", "AllowFrontDoorOutBound"][number]
    priority    = 100 + 10 * number
    direction   = "Outbound"
    access      = "Allow"
    protocol    = "Tcp"
    port        = "443"
    source      = "VirtualNetwork"
    destination = name
  }]

  platform_endpoints = merge(
    {
      blob       = { id = azurerm_storage_account.main.id, group = "blob", zones = ["privatelink.blob.core.windows.net"] }
      dfs        = { id = azurerm_storage_account.main.id, group = "dfs", zones = ["privatelink.dfs.core.windows.net"] }
      root-blob  = { id = local.root_storage_id, group = "blob", zones = ["privatelink.blob.core.windows.net"] }
      root-dfs   = { id = local.root_storage_id, group = "dfs", zones = ["privatelink.dfs.core.windows.net"] }
      databricks = { id = azurerm_databricks_workspace.main.id, group = "databricks_ui_api", zones = local.databricks_zones }
    },
    var.browser_authentication ? {
      browser = { id = azurerm_databricks_workspace.main.id, group = "browser_authentication", zones = local.databricks_zones }
    } : {},
  )
  databricks_zones = ["privatelink.azuredatabricks.net"]

  # The workspace's own storage, which its firewall shuts for machines of this network too.
  root_storage_name = "dbst${var.workload}${local.code}${local.hash}"
  root_storage_id = join("/", [
    azurerm_databricks_workspace.main.managed_resource_group_id,
    "providers/Microsoft.Storage/storageAccounts/${local.root_storage_name}",
  ])
}
