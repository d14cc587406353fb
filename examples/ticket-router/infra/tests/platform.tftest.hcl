# Azure Machine Learning: names, rights, locks, and values that are refused. No Azure is asked.

mock_provider "azurerm" {
  source = "./tests"
}

mock_provider "azapi" {
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
    condition     = can(regex("^kv-ab-dev-[0-9a-f]{5}$", azurerm_key_vault.main.name))
    error_message = "The vault must be named kv-<workload>-<code>-<hash>."
  }

  assert {
    condition     = can(regex("^crabdev[0-9a-f]{5}$", azurerm_container_registry.main.name))
    error_message = "The registry must be named cr<workload><code><hash>."
  }

  assert {
    condition     = azurerm_machine_learning_workspace.main.name == "mlw-ab-dev"
    error_message = "The workspace must be named mlw-<workload>-<code>."
  }
}

run "longest_names" {
  command = plan

  variables {
    workload    = "abcdefghij"
    environment = "prod"
  }

  assert {
    condition     = can(regex("^[a-z](-?[a-z0-9])*$", azurerm_key_vault.main.name)) && length(azurerm_key_vault.main.name) <= 24
    error_message = "Azure takes at most 24 letters, digits and single hyphens for a vault."
  }

  assert {
    condition     = can(regex("^[a-z0-9]{5,50}$", azurerm_container_registry.main.name))
    error_message = "Azure takes 5 to 50 letters and digits for a registry."
  }

  assert {
    condition     = length(azurerm_machine_learning_workspace.main.name) <= 33
    error_message = "Azure takes at most 33 characters for a workspace."
  }
}

run "nobody_but_jobs_and_endpoints_has_rights_by_default" {
  command = plan

  assert {
    condition = toset(keys(azurerm_role_assignment.rights)) == toset([
      "compute/acr_pull/registry",
      "compute/storage_blob_data_contributor/storage",
      "compute/storage_queue_data_contributor/storage",
      "compute/storage_table_data_contributor/storage",
      "serving/acr_pull/registry",
      "serving/storage_blob_data_reader/storage",
    ])
    error_message = "Without ids of people and CI only jobs and endpoints may get roles."
  }
}

run "rights_of_people_and_ci" {
  command = plan

  variables {
    people_group_id = "22222222-2222-2222-2222-222222222222"
    ml_identity_id  = "33333333-3333-3333-3333-333333333333"
  }

  assert {
    condition     = length(azurerm_role_assignment.rights) == 12
    error_message = "All rights must be given."
  }

  assert {
    condition = endswith(
      azurerm_role_assignment.rights["people/azureml_data_scientist/workspace"].role_definition_id,
      "/f6c7c914-8db3-469d-8ca1-694a8f32e121",
    )
    error_message = "The role must be named by its id."
  }

  assert {
    condition = alltrue([
      for key, right in azurerm_role_assignment.rights :
      right.principal_type == (startswith(key, "people/") ? "Group" : "ServicePrincipal")
    ])
    error_message = "People come as a group, CI and jobs as identities."
  }
}

run "what_cannot_be_made_again_is_locked" {
  command = plan

  variables {
    delete_locks = true
  }

  assert {
    condition     = azurerm_management_lock.vault[0].lock_level == "CanNotDelete"
    error_message = "The vault must be locked."
  }

  assert {
    condition     = azurerm_management_lock.registry[0].lock_level == "CanNotDelete"
    error_message = "The registry must be locked."
  }
}

run "outputs" {
  command = apply

  assert {
    condition     = output.compute_name == "cpu-cluster" && output.resource_group_name == "rg-test"
    error_message = "The outputs must name what was made."
  }

  assert {
    condition     = output.model_registry_name == ""
    error_message = "Without a model registry its name must be empty."
  }
}

run "model_registry" {
  command = plan

  variables {
    delete_locks            = true
    model_registry          = true
    ml_identity_id          = "33333333-3333-3333-3333-333333333333"
    model_registry_user_ids = ["44444444-4444-4444-4444-444444444444"]
  }

  assert {
    condition     = can(regex("^mlr-ab-[0-9a-f]{5}$", azapi_resource.model_registry[0].name))
    error_message = "The model registry must be named mlr-<workload>-<hash>."
  }

  assert {
    condition = toset(keys(azurerm_role_assignment.model_registry)) == toset([
      "33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444",
    ])
    error_message = "CI of this environment and of those that were named must use the model registry."
  }

  assert {
    condition     = azurerm_management_lock.model_registry[0].lock_level == "CanNotDelete"
    error_message = "The model registry must be locked."
  }
}

run "no_right_on_a_model_registry_that_is_not_there" {
  command = plan

  variables {
    ml_identity_id = "33333333-3333-3333-3333-333333333333"
  }

  assert {
    condition     = length(azurerm_role_assignment.model_registry) == 0
    error_message = "Without a model registry there is nothing to give rights on."
  }
}

run "values_out_of_range_are_refused" {
  command = plan

  variables {
    vault_recovery_days = 91
    compute_max_nodes   = 0
  }

  expect_failures = [var.vault_recovery_days, var.compute_max_nodes]
}

run "unknown_tier_of_the_registry_is_refused" {
  command = plan

  variables {
    registry_sku = "basic"
  }

  expect_failures = [var.registry_sku]
}
