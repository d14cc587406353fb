# What every platform needs, in one resource group. A file holds one kind of thing; the platform's files (platform.tf and
# those around it) lie beside these and use the same names.

data "azurerm_client_config" "current" {}

data "azurerm_resource_group" "main" {
  name = var.resource_group_name
}

locals {
  code = { dev = "dev", staging = "stg", prod = "prod" }[var.environment]

  # Some names are shared with every other customer of Azure, so they end in a hash of something that only this project
  # has: the id of its resource group. Azure does not keep the case of ids.
  hash      = substr(sha256(join("/", [lower(data.azurerm_resource_group.main.id), var.workload, local.code])), 0, 5)
  base_name = "${var.workload}-${local.code}"

  tags = {
    workload    = var.workload
    environment = var.environment
    team        = var.team
    managedBy   = "terraform"
  }

  # Roles go by id, since Microsoft renames them. This is what stands before it.
  role_definitions = join("/", [
    "/subscriptions/${data.azurerm_client_config.current.subscription_id}",
    "providers/Microsoft.Authorization/roleDefinitions",
  ])
}
