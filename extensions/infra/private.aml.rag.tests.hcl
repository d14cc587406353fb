
run "jobs_reach_models_and_index" {
  command = plan

  assert {
    condition     = azapi_resource.reached["account"].body.properties.destination.subresourceTarget == "account"
    error_message = "Machines of Azure ML must reach the models."
  }

  assert {
    condition     = contains(keys(azapi_resource.reached), "search") == local.has_search
    error_message = "Machines of Azure ML must reach the index where it is made."
  }

  assert {
    condition     = keys(azurerm_role_assignment.approver) == keys(azapi_resource.reached)
    error_message = "The workspace must be able to agree to what it asks for."
  }
}
