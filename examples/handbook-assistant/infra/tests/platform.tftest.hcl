# Azure Databricks: names, rights and outputs. No Azure is asked.

mock_provider "azurerm" {
  source = "./tests"
}

variables {
  resource_group_name = "rg-test"
  workload            = "ab"
  environment         = "dev"
  team                = "data-science"
  location            = "westeurope"
  delete_locks        = false
}

run "shortest_names" {
  command = plan

  assert {
    condition     = azurerm_databricks_workspace.main.name == "dbw-ab-dev"
    error_message = "The workspace must be named dbw-<workload>-<code>."
  }

  assert {
    condition     = azurerm_databricks_access_connector.main.name == "dbac-ab-dev"
    error_message = "The access connector must be named dbac-<workload>-<code>."
  }
}

run "longest_names" {
  command = plan

  variables {
    workload    = "abcdefghij"
    environment = "prod"
  }

  assert {
    condition     = length(azurerm_databricks_workspace.main.name) <= 30
    error_message = "The portal takes at most 30 characters for a workspace."
  }

  assert {
    condition = can(regex(
      "^rg-dbw-abcdefghij-prod-[0-9a-f]{5}$", azurerm_databricks_workspace.main.managed_resource_group_name
    ))
    error_message = "The managed group must be named rg-dbw-<workload>-<code>-<hash>."
  }
}

run "storage_is_a_lake" {
  command = plan

  assert {
    condition     = azurerm_storage_account.main.is_hns_enabled
    error_message = "Unity Catalog needs a hierarchical namespace."
  }
}

run "outputs" {
  command = apply

  assert {
    condition     = output.workspace_url == "https://adb-1.1.azuredatabricks.net"
    error_message = "The address of the workspace must begin with https."
  }

  assert {
    condition     = output.catalog_storage_url == "abfss://catalog@sttest.dfs.core.windows.net/"
    error_message = "The address of the catalog must name container and account."
  }
}
