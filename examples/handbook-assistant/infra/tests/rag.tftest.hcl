# Models and index: names, rights, guards and outputs. No Azure is asked.

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

run "shortest_model_names" {
  command = plan

  assert {
    condition     = can(regex("^ai-ab-dev-[0-9a-f]{5}$", azurerm_cognitive_account.main.name))
    error_message = "The account must be named ai-<workload>-<code>-<hash>."
  }

  assert {
    condition     = azurerm_cognitive_account.main.custom_subdomain_name == azurerm_cognitive_account.main.name
    error_message = "Without a subdomain of its own the account takes no Entra tokens."
  }
}

run "longest_model_names" {
  command = plan

  variables {
    workload    = "abcdefghij"
    environment = "staging"
  }

  assert {
    condition     = can(regex("^[a-z0-9]{2}[a-z0-9-]{0,61}[a-z0-9]$", azurerm_cognitive_account.main.name))
    error_message = "Azure takes 2 to 64 letters, digits and hyphens for an account."
  }

  assert {
    condition     = can(regex("^[a-z0-9]{2}[a-z0-9-]{0,57}[a-z0-9]$", local.search_name)) && !strcontains(local.search_name, "--")
    error_message = "Azure takes 2 to 60 letters, digits and single hyphens for a search service."
  }
}

run "no_key_opens_models_or_index" {
  command = plan

  assert {
    condition     = !azurerm_cognitive_account.main.local_auth_enabled
    error_message = "The account must take Entra tokens only."
  }

  assert {
    condition     = alltrue([for search in azurerm_search_service.main : !search.local_authentication_enabled])
    error_message = "The search service must take Entra tokens only."
  }
}

run "models_stay_as_they_are" {
  command = plan

  assert {
    condition = alltrue([
      for model in azurerm_cognitive_deployment.models :
      model.version_upgrade_option == "NoAutoUpgrade" && model.model[0].version != ""
    ])
    error_message = "Each model must keep the version that was tested."
  }

  assert {
    condition     = length(azurerm_cognitive_deployment.models) == 2
    error_message = "One model writes answers and one makes vectors."
  }
}

run "who_answers_cannot_write" {
  command = plan

  assert {
    condition = toset([for key, right in azurerm_role_assignment.rag : key if startswith(key, "serving/")]) == toset(concat(
      ["serving/cognitive_services_openai_user/account", "serving/cognitive_services_user/account"],
      local.has_search ? ["serving/search_index_data_reader/search"] : [],
    ))
    error_message = "The application may use the models and read the index, and nothing else."
  }

  assert {
    condition     = length(azurerm_role_assignment.rag) == (local.has_search ? 7 : 4)
    error_message = "All rights must be given, and none on a search service that is not there."
  }
}

run "models_are_as_open_as_the_network" {
  command = plan

  assert {
    condition     = azurerm_cognitive_account.main.network_acls[0].default_action == "Allow"
    error_message = "The firewall of the models must be what the network is: public."
  }

  assert {
    condition     = alltrue([for search in azurerm_search_service.main : search.public_network_access_enabled == true])
    error_message = "The endpoint of the index must be what the network is: public."
  }
}

run "prod_has_a_spare_replica" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = alltrue([for search in azurerm_search_service.main : search.replica_count >= 2])
    error_message = "Azure promises nothing about one replica."
  }
}

run "model_outputs" {
  command = apply

  assert {
    condition     = startswith(output.openai_endpoint, "https://ai-ab-dev-") && endswith(output.openai_endpoint, ".openai.azure.com")
    error_message = "The address of the models must begin with https and name the account."
  }

  assert {
    condition     = output.search_endpoint == "" || endswith(output.search_endpoint, ".search.windows.net")
    error_message = "The address of the index must name the search service."
  }

  assert {
    condition     = contains(keys(azurerm_cognitive_deployment.models), output.chat_deployment)
    error_message = "The outputs must name what was made."
  }
}
