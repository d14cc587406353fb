
run "machines_are_shut_in" {
  command = plan

  assert {
    condition     = azurerm_machine_learning_workspace.main.managed_network[0].isolation_mode == "AllowOnlyApprovedOutbound"
    error_message = "Machines may reach only what is approved."
  }

  assert {
    condition     = !azurerm_machine_learning_compute_cluster.main.node_public_ip_enabled
    error_message = "Nodes must have no public address."
  }

  assert {
    condition     = azurerm_machine_learning_workspace.main.image_build_compute_name == azurerm_machine_learning_compute_cluster.main.name
    error_message = "Images must be built where the registry can be reached."
  }

  assert {
    condition     = azurerm_container_registry.main.sku == "Premium"
    error_message = "Only a Premium registry takes a private endpoint."
  }
}

run "packages_come_from_named_hosts" {
  command = plan

  assert {
    condition = toset([for rule in azapi_resource.packages : rule.name]) == toset([
      "fqdn-pypi-org", "fqdn-files-pythonhosted-org",
    ])
    error_message = "Each host must have a rule of its own."
  }
}

run "parallel_jobs_reach_their_queue" {
  command = plan

  assert {
    condition     = toset([for rule in azapi_resource.storage : rule.body.properties.destination.subresourceTarget]) == toset(["queue", "table"])
    error_message = "Machines must reach queues and tables of storage."
  }
}

run "no_firewall_without_hosts" {
  command = plan

  variables {
    package_hosts = []
  }

  assert {
    condition     = length(azapi_resource.packages) == 0
    error_message = "Without hosts there may be no rule, since the first one brings a firewall that costs."
  }
}

run "hosts_that_are_no_hosts_are_refused" {
  command = plan

  variables {
    package_hosts = ["https://pypi.org/simple"]
  }

  expect_failures = [var.package_hosts]
}

run "each_service_of_azure_ml_has_an_address" {
  command = plan

  assert {
    condition = length(setsubtract(
      ["blob", "file", "queue", "table", "vault", "registry", "workspace"], keys(azurerm_private_endpoint.main)
    )) == 0 && !contains(keys(azurerm_private_endpoint.main), "modelregistry")
    error_message = "Storage, vault, registry and workspace must have their endpoints, and none may point to nothing."
  }

  assert {
    condition = azurerm_private_endpoint.main["workspace"].private_dns_zone_group[0].name == "default" && contains(
      keys(azurerm_private_dns_zone.main), "privatelink.notebooks.azure.net"
    )
    error_message = "Names of the workspace stand in two zones."
  }
}

run "private_model_registry" {
  command = plan

  variables {
    model_registry = true
  }

  assert {
    condition     = azurerm_private_endpoint.main["modelregistry"].name == "pep-ab-dev-modelregistry"
    error_message = "A model registry must have its endpoint."
  }

  assert {
    condition     = azapi_resource.model_registry[0].body.properties.publicNetworkAccess == "Disabled"
    error_message = "The model registry must be shut."
  }
}
