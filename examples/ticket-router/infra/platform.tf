# Azure Machine Learning: workspace, training cluster, one identity for jobs and one for endpoints.
#
# The job identity is attached to the cluster and, beside the workspace's own identity, to the workspace: serverless compute
# takes no system-assigned identity, and a job that writes a model to keyless storage needs one of its own.

locals {
  storage_hierarchical = false # Azure ML refuses a lake as the storage of a workspace
}

resource "azurerm_user_assigned_identity" "compute" {
  name                = "id-${local.base_name}-compute"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags
}

# As whom endpoints fetch their image and their model.
resource "azurerm_user_assigned_identity" "serving" {
  name                = "id-${local.base_name}-serving"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_machine_learning_workspace" "main" {
  name                          = "mlw-${local.base_name}"
  friendly_name                 = "mlw-${local.base_name}"
  resource_group_name           = data.azurerm_resource_group.main.name
  location                      = var.location
  tags                          = local.tags
  kind                          = "Default"
  sku_name                      = "Basic"
  storage_account_id            = azurerm_storage_account.main.id
  storage_account_access_type   = "Identity"
  key_vault_id                  = azurerm_key_vault.main.id
  container_registry_id         = azurerm_container_registry.main.id
  application_insights_id       = azurerm_application_insights.main.id
  public_network_access_enabled = true
  v1_legacy_mode_enabled        = false

  identity {
    type         = "SystemAssigned, UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.compute.id]
  }
}

resource "azurerm_monitor_diagnostic_setting" "workspace" {
  name                       = "all"
  target_resource_id         = azurerm_machine_learning_workspace.main.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "allLogs"
  }
}

# No delete lock on the workspace: it would reach the cluster below it and keep its nodes from being removed. The size is in
# capitals, as Azure answers it: written otherwise, every plan would replace the cluster.
resource "azurerm_machine_learning_compute_cluster" "main" {
  name                          = "cpu-cluster"
  machine_learning_workspace_id = azurerm_machine_learning_workspace.main.id
  location                      = var.location
  tags                          = local.tags
  vm_size                       = upper(var.compute_vm_size)
  vm_priority                   = "Dedicated"
  local_auth_enabled            = false
  ssh_public_access_enabled     = false
  node_public_ip_enabled        = true

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.compute.id]
  }

  scale_settings {
    min_node_count                       = 0
    max_node_count                       = var.compute_max_nodes
    scale_down_nodes_after_idle_duration = "PT5M"
  }

  # A cluster keeps the rights it starts with, so it waits for them.
  depends_on = [azurerm_role_assignment.rights]
}
