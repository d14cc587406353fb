
run "private_workspace" {
  command = plan

  assert {
    condition     = azurerm_databricks_workspace.main.network_security_group_rules_required == "NoAzureDatabricksRules"
    error_message = "Azure refuses a private workspace with all rules."
  }

  assert {
    condition = (
      azurerm_databricks_workspace.main.custom_parameters[0].public_subnet_name == "databricks-host" &&
      azurerm_databricks_workspace.main.custom_parameters[0].private_subnet_name == "databricks-container"
    )
    error_message = "The machines must live in the network."
  }

  assert {
    condition     = azurerm_databricks_workspace.main.default_storage_firewall_enabled
    error_message = "The workspace's own storage must be shut too."
  }
}

run "subnets_are_handed_to_databricks" {
  command = plan

  assert {
    condition = alltrue([
      for name in ["databricks-host", "databricks-container"] :
      azurerm_subnet.main[name].delegation[0].service_delegation[0].name == "Microsoft.Databricks/workspaces"
    ])
    error_message = "Databricks takes only subnets that are delegated to it."
  }

  assert {
    condition = toset([for rule in azurerm_network_security_group.main["databricks-host"].security_rule : rule.destination_address_prefix]) == toset([
      "AzureActiveDirectory", "AzureFrontDoor.Frontend",
    ])
    error_message = "Sign-in must get out."
  }
}

run "one_workspace_signs_browsers_in" {
  command = plan

  variables {
    browser_authentication = true
  }

  assert {
    condition     = azurerm_private_endpoint.main["browser"].private_service_connection[0].subresource_names[0] == "browser_authentication"
    error_message = "The endpoint of browser sign-in must be made where it is asked for."
  }
}

run "other_workspaces_do_not" {
  command = plan

  assert {
    condition = length(setsubtract(
      ["blob", "dfs", "root-blob", "root-dfs", "databricks"], keys(azurerm_private_endpoint.main)
    )) == 0 && !contains(keys(azurerm_private_endpoint.main), "browser")
    error_message = "Storage, the workspace and its own storage must have their endpoints, and browser sign-in none."
  }
}
