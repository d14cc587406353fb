# Who holds which role on the models and the index. A new one is a line here and a row in docs/services.md.

locals {
  # The keys are the display names, and a test of the template holds them against the ids.
  rag_roles = {
    cognitive_services_openai_user = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
    cognitive_services_user        = "a97b65f3-24c7-4388-baec-2e87135dc908"
    search_index_data_contributor  = "8ebe5a00-799e-43f5-93ac-243d3dce84a7"
    search_index_data_reader       = "1407120a-92aa-4202-b7e9-c0e197c71c8f"
    search_service_contributor     = "7ca78c08-252a-4471-8644-bb5ff32d4ba0"
  }

  rag_scopes = {
    account = azurerm_cognitive_account.main.id
    search  = one(azurerm_search_service.main[*].id)
  }

  rag_principals = {
    job     = local.job_principal_id
    serving = azurerm_user_assigned_identity.serving.principal_id
  }

  # Jobs make the index and fill it; who answers reads.
  rag_rights = [
    { who = "job", role = "cognitive_services_openai_user", on = "account" },
    { who = "job", role = "cognitive_services_user", on = "account" },
    { who = "job", role = "search_index_data_contributor", on = "search" },
    { who = "job", role = "search_service_contributor", on = "search" },
    { who = "serving", role = "cognitive_services_openai_user", on = "account" },
    { who = "serving", role = "cognitive_services_user", on = "account" },
    { who = "serving", role = "search_index_data_reader", on = "search" },
  ]
}

resource "azurerm_role_assignment" "rag" {
  for_each = {
    for right in local.rag_rights : "${right.who}/${right.role}/${right.on}" => right
    if right.on != "search" || local.has_search
  }

  scope              = local.rag_scopes[each.value.on]
  role_definition_id = "${local.role_definitions}/${local.rag_roles[each.value.role]}"
  principal_id       = local.rag_principals[each.value.who]
  principal_type     = "ServicePrincipal" # without it Azure looks for a new identity and may not find it yet
}
