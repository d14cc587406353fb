# Every right in this resource group but those on the model registry, which stand beside it: who holds which role on what. A new
# one is a line here and a row in docs/resources.md. For a principal without an id no role is assigned.

locals {
  # The keys are the display names, and a test of the template holds them against the ids.
  roles = {
    acr_pull                                 = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    azureml_compute_operator                 = "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815"
    azureml_data_scientist                   = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
    azureml_registry_user                    = "1823dd4f-9b8c-4ab6-ab4e-7397a3684615"
    storage_blob_data_contributor            = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    storage_blob_data_reader                 = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    storage_file_data_privileged_contributor = "69566ab7-960f-475b-8e7c-b3118f30c6bd"
    storage_queue_data_contributor           = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
    storage_table_data_contributor           = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
  }

  scopes = {
    registry  = azurerm_container_registry.main.id
    storage   = azurerm_storage_account.main.id
    workspace = azurerm_machine_learning_workspace.main.id
  }

  # `given` says it apart from the id, because the id of a new identity is not known when a plan decides what to make.
  principals = {
    compute = { given = true, id = azurerm_user_assigned_identity.compute.principal_id, type = "ServicePrincipal" }
    serving = { given = true, id = azurerm_user_assigned_identity.serving.principal_id, type = "ServicePrincipal" }
    ci      = { given = var.ml_identity_id != "", id = var.ml_identity_id, type = "ServicePrincipal" }
    people  = { given = var.people_group_id != "", id = var.people_group_id, type = "Group" }
  }

  rights = [
    { who = "compute", role = "acr_pull", on = "registry" },
    { who = "compute", role = "storage_blob_data_contributor", on = "storage" },
    # A parallel job hands out its files over a queue and notes in a table what is done.
    { who = "compute", role = "storage_queue_data_contributor", on = "storage" },
    { who = "compute", role = "storage_table_data_contributor", on = "storage" },
    { who = "serving", role = "acr_pull", on = "registry" },
    { who = "serving", role = "storage_blob_data_reader", on = "storage" },
    { who = "ci", role = "azureml_data_scientist", on = "workspace" },
    { who = "ci", role = "storage_blob_data_contributor", on = "storage" },
    { who = "people", role = "azureml_compute_operator", on = "workspace" },
    { who = "people", role = "azureml_data_scientist", on = "workspace" },
    { who = "people", role = "storage_blob_data_contributor", on = "storage" },
    { who = "people", role = "storage_file_data_privileged_contributor", on = "storage" },
  ]
}

resource "azurerm_role_assignment" "rights" {
  for_each = {
    for right in local.rights : "${right.who}/${right.role}/${right.on}" => right if local.principals[right.who].given
  }

  scope              = local.scopes[each.value.on]
  role_definition_id = "${local.role_definitions}/${local.roles[each.value.role]}"
  principal_id       = local.principals[each.value.who].id
  principal_type     = local.principals[each.value.who].type # without it Azure looks for a new identity and may not find it yet
}
