# What does not depend on the platform: names, locks, budget, and values that are refused. No Azure is asked.

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
    condition     = can(regex("^stabdev[0-9a-f]{5}$", azurerm_storage_account.main.name))
    error_message = "The storage account must be named st<workload><code><hash>."
  }

  assert {
    condition     = azurerm_log_analytics_workspace.main.name == "log-ab-dev"
    error_message = "Log Analytics must be named log-<workload>-<code>."
  }
}

run "longest_names" {
  command = plan

  variables {
    workload    = "abcdefghij"
    environment = "prod"
  }

  assert {
    condition     = can(regex("^[a-z0-9]{3,24}$", azurerm_storage_account.main.name))
    error_message = "Azure takes 3 to 24 lower-case letters and digits for a storage account."
  }

  assert {
    condition     = azurerm_storage_account.main.tags["environment"] == "prod"
    error_message = "Every resource must say which environment it belongs to."
  }
}

run "staging_has_a_short_code" {
  command = plan

  variables {
    environment = "staging"
  }

  assert {
    condition     = azurerm_log_analytics_workspace.main.name == "log-ab-stg"
    error_message = "The code of staging must be stg."
  }
}

run "another_group_gives_other_names" {
  command = plan

  override_data {
    target = data.azurerm_resource_group.main
    values = {
      id   = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-other"
      name = "rg-other"
    }
  }

  assert {
    condition     = azurerm_storage_account.main.name != run.shortest_names.storage_account_name
    error_message = "The name of a storage account must depend on the resource group."
  }
}

run "data_is_locked_where_asked" {
  command = plan

  variables {
    delete_locks = true
  }

  assert {
    condition     = azurerm_management_lock.storage[0].lock_level == "CanNotDelete"
    error_message = "The storage account must be locked."
  }
}

run "nothing_is_locked_elsewhere" {
  command = plan

  assert {
    condition     = length(azurerm_management_lock.storage) == 0
    error_message = "Without delete_locks nothing may be locked."
  }
}

run "no_budget_without_addresses" {
  command = plan

  variables {
    budget_start_date = "2026-01-01"
  }

  assert {
    condition     = length(azurerm_consumption_budget_resource_group.main) == 0
    error_message = "A budget that tells nobody must not be made."
  }
}

run "budget" {
  command = plan

  variables {
    budget_amount     = 200
    budget_start_date = "2026-01-01"
    budget_emails     = ["team@example.com"]
  }

  assert {
    condition     = azurerm_consumption_budget_resource_group.main[0].time_period[0].start_date == "2026-01-01T00:00:00Z"
    error_message = "The budget must begin on the day given."
  }

  assert {
    condition     = azurerm_consumption_budget_resource_group.main[0].amount == 200
    error_message = "The budget must be the amount given."
  }
}

run "storage_is_as_open_as_the_network" {
  command = plan

  assert {
    condition     = azurerm_storage_account_network_rules.main.default_action == "Allow"
    error_message = "The firewall of storage must be what the network is: public."
  }

  assert {
    condition     = azurerm_storage_account.main.public_network_access_enabled == true
    error_message = "The endpoint of storage must be what the network is: public."
  }
}

run "values_out_of_range_are_refused" {
  command = plan

  variables {
    workload           = "Taxi-Fares"
    environment        = "production"
    storage_redundancy = "LRS"
    data_recovery_days = 366
    log_retention_days = 29
    budget_amount      = 0
    budget_start_date  = "2026-01-02"
  }

  expect_failures = [
    var.workload,
    var.environment,
    var.storage_redundancy,
    var.data_recovery_days,
    var.log_retention_days,
    var.budget_amount,
    var.budget_start_date,
  ]
}

run "long_workload_is_refused" {
  command = plan

  variables {
    workload = "abcdefghijk"
  }

  expect_failures = [var.workload]
}
