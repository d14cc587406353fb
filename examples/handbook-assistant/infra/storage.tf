# Storage without keys: shared key access is off, so every reader and writer is an Entra identity with a role.
resource "azurerm_storage_account" "main" {
  name                             = "st${var.workload}${local.code}${local.hash}"
  resource_group_name              = data.azurerm_resource_group.main.name
  location                         = var.location
  tags                             = local.tags
  account_kind                     = "StorageV2"
  account_tier                     = split("_", var.storage_redundancy)[0]
  account_replication_type         = split("_", var.storage_redundancy)[1]
  access_tier                      = "Hot"
  is_hns_enabled                   = local.storage_hierarchical # the platform's: a lake or plain blobs
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  public_network_access_enabled    = true

  blob_properties {
    delete_retention_policy {
      days = var.data_recovery_days
    }

    container_delete_retention_policy {
      days = var.data_recovery_days
    }
  }

  lifecycle {
    # A service that reads blobs from the browser writes this rule itself, as Azure ML does when it makes a workspace.
    ignore_changes = [blob_properties[0].cors_rule]
  }
}

# A resource of its own: inside the account, the provider takes an open firewall for none and every plan would set it again.
resource "azurerm_storage_account_network_rules" "main" {
  storage_account_id = azurerm_storage_account.main.id
  bypass             = ["AzureServices"]
  # Nodes of serverless compute have no fixed address and are not a trusted service, so an open endpoint that admits
  # identities only is what lets jobs read their data without a private network.
  default_action = "Allow"
}

resource "azurerm_monitor_diagnostic_setting" "storage" {
  name                       = "audit"
  target_resource_id         = "${azurerm_storage_account.main.id}/blobServices/default"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "audit"
  }
}

resource "azurerm_management_lock" "storage" {
  count      = var.delete_locks ? 1 : 0
  name       = "keep"
  scope      = azurerm_storage_account.main.id
  lock_level = "CanNotDelete"
  notes      = "Holds training data and models."
}
