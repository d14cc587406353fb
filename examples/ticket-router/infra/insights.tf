# Telemetry of jobs and endpoints. It still accepts its connection string, because Azure Machine Learning sends telemetry with
# it; that string can write telemetry and read nothing.
resource "azurerm_application_insights" "main" {
  name                = "appi-${local.base_name}"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags
  application_type    = "web"
  workspace_id        = azurerm_log_analytics_workspace.main.id
}
