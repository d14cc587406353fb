
locals {
  # The key is the display name, and a test of the template holds it against the id.
  private_roles = {
    azure_ai_enterprise_network_connection_approver = "b556d68e-0be0-4f35-a333-ad7ee1ce17ea"
  }

  # Services that machines of Azure ML reach over endpoints in the network that Azure keeps.
  reached = merge(
    { account = { id = azurerm_cognitive_account.main.id, group = "account" } },
    local.has_search ? { search = { id = azurerm_search_service.main[0].id, group = "searchService" } } : {},
  )
}

# The workspace asks for these endpoints and agrees to them itself.
resource "azurerm_role_assignment" "approver" {
  for_each           = local.reached
  scope              = each.value.id
  role_definition_id = "${local.role_definitions}/${local.private_roles.azure_ai_enterprise_network_connection_approver}"
  principal_id       = azurerm_machine_learning_workspace.main.identity[0].principal_id
  principal_type     = "ServicePrincipal" # without it Azure looks for a new identity and may not find it yet
}

resource "azapi_resource" "reached" {
  for_each  = local.reached
  type      = "Microsoft.MachineLearningServices/workspaces/outboundRules@2025-06-01"
  name      = "pe-${each.key}"
  parent_id = azurerm_machine_learning_workspace.main.id
  locks     = [azurerm_machine_learning_workspace.main.id]

  body = {
    properties = {
      type     = "PrivateEndpoint"
      category = "UserDefined"
      destination = {
        serviceResourceId = each.value.id
        subresourceTarget = each.value.group
        sparkEnabled      = false
      }
    }
  }

  depends_on = [azurerm_role_assignment.approver, azapi_update_resource.firewall]
}
