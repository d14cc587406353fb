
# As whom the application answers.
resource "azurerm_user_assigned_identity" "serving" {
  name                = "id-${local.base_name}-serving"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags
}

output "serving_identity_client_id" {
  value = azurerm_user_assigned_identity.serving.client_id
}
