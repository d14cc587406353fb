
locals {
  # Two subnets that Databricks fills with its machines; a machine has an address in each.
  platform_subnets = {
    databricks-host = {
      range       = local.network.subnets.databricksHost
      machines    = true
      delegations = local.databricks
      rules       = local.sign_in
    }
    databricks-container = {
      range       = local.network.subnets.databricksContainer
      machines    = true
      delegations = local.databricks
      rules       = local.sign_in
    }
  }
  databricks = [{ name = "databricks", service = "Microsoft.Databricks/workspaces" }]

  # Databricks wants to know that its subnets carry rules.
  secured = { for name, association in azurerm_subnet_network_security_group_association.main : name => association.id }

  # Whatever else is shut: people sign in, and the browser fetches what it shows, at services of Azure's own.
  sign_in = [
    {
      name        = "AllowEntraOutBound"
      priority    = 100
      direction   = "Outbound"
      access      = "Allow"
      protocol    = "Tcp"
      port        = "443"
      source      = "VirtualNetwork"
      destination = "AzureActiveDirectory"
    },
    {
      name        = "AllowFrontDoorOutBound"
      priority    = 110
      direction   = "Outbound"
      access      = "Allow"
      protocol    = "Tcp"
      port        = "443"
      source      = "VirtualNetwork"
      destination = "AzureFrontDoor.Frontend"
    },
  ]

  platform_endpoints = {
    blob       = { id = azurerm_storage_account.main.id, group = "blob", zones = ["privatelink.blob.core.windows.net"] }
    dfs        = { id = azurerm_storage_account.main.id, group = "dfs", zones = ["privatelink.dfs.core.windows.net"] }
    root-blob  = { id = local.root_storage_id, group = "blob", zones = ["privatelink.blob.core.windows.net"] }
    root-dfs   = { id = local.root_storage_id, group = "dfs", zones = ["privatelink.dfs.core.windows.net"] }
    databricks = { id = azurerm_databricks_workspace.main.id, group = "databricks_ui_api", zones = local.databricks_zones }
    browser = {
      given = var.browser_authentication
      id    = azurerm_databricks_workspace.main.id
      group = "browser_authentication"
      zones = local.databricks_zones
    }
  }
  databricks_zones = ["privatelink.azuredatabricks.net"]

  # The workspace's own storage, which its firewall shuts for machines of this network too.
  root_storage_name = "dbst${var.workload}${local.code}${local.hash}"
  root_storage_id = join("/", [
    azurerm_databricks_workspace.main.managed_resource_group_id,
    "providers/Microsoft.Storage/storageAccounts/${local.root_storage_name}",
  ])
}
