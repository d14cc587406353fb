
  # A cluster keeps the rights it starts with, finds its workspace by a private address and lives behind the outbound rules.
  depends_on = [
    azapi_resource.packages,
    azapi_resource.storage,
    azurerm_private_endpoint.main,
    azurerm_role_assignment.rights,
  ]
