
run "models_and_index_have_addresses" {
  command = plan

  assert {
    condition     = length(azurerm_private_endpoint.main["account"].private_dns_zone_group) == 1 && length(local.account_zones) == 3
    error_message = "Models, speech and services of the account have names in three zones."
  }

  assert {
    condition     = contains(keys(azurerm_private_endpoint.main), "search") == local.has_search
    error_message = "The index must have an endpoint where it is made, and none may point to nothing."
  }
}
