# What answering questions needs besides the platform: language models, content safety and a search service, none of which
# knows a key. docs/services.md explains it.

locals {
  # A block an environment, the same file for every infrastructure language.
  rag        = jsondecode(file("${path.module}/rag.json"))[var.environment]
  has_search = local.rag.search.sku != "none"

  # Both names are shared with every other customer of Azure.
  account_name = "ai-${local.base_name}-${local.hash}"
  search_name  = "srch-${local.base_name}-${local.hash}"

  # As whom jobs build the index and try answers.
  job_principal_id = azurerm_databricks_access_connector.main.identity[0].principal_id
}

# Language models, embeddings and content safety behind Entra tokens only. Without the subdomain of its own the account would
# take no tokens.
resource "azurerm_cognitive_account" "main" {
  name                          = local.account_name
  resource_group_name           = data.azurerm_resource_group.main.name
  location                      = var.location
  tags                          = local.tags
  kind                          = "AIServices"
  sku_name                      = "S0"
  custom_subdomain_name         = local.account_name
  local_auth_enabled            = false
  public_network_access_enabled = true

  identity {
    type = "SystemAssigned"
  }

  network_acls {
    bypass         = "AzureServices"
    default_action = "Allow"
  }
}

# An upgrade would change answers without a test, so versions stay until rag.json says otherwise.
resource "azurerm_cognitive_deployment" "models" {
  for_each               = { for model in [local.rag.chat, local.rag.embedding] : model.name => model }
  name                   = each.value.name
  cognitive_account_id   = azurerm_cognitive_account.main.id
  version_upgrade_option = "NoAutoUpgrade"
  rai_policy_name        = "Microsoft.DefaultV2"

  sku {
    name     = each.value.sku
    capacity = each.value.capacity
  }

  model {
    format  = "OpenAI"
    name    = each.value.name
    version = each.value.version
  }
}

resource "azurerm_monitor_diagnostic_setting" "account" {
  name                       = "audit"
  target_resource_id         = azurerm_cognitive_account.main.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "audit"
  }
}

# The index of passages, with the semantic ranker, behind Entra tokens only. Its own identity holds no role: jobs send passages
# with their vectors, and the service asks nobody.
resource "azurerm_search_service" "main" {
  count                         = local.has_search ? 1 : 0
  name                          = local.search_name
  resource_group_name           = data.azurerm_resource_group.main.name
  location                      = var.location
  tags                          = local.tags
  sku                           = local.rag.search.sku
  local_authentication_enabled  = false
  semantic_search_sku           = "standard"
  replica_count                 = local.rag.search.replicas
  partition_count               = local.rag.search.partitions
  public_network_access_enabled = true
  network_rule_bypass_option    = "None"

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_monitor_diagnostic_setting" "search" {
  count                      = local.has_search ? 1 : 0
  name                       = "all"
  target_resource_id         = azurerm_search_service.main[0].id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "allLogs"
  }
}

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
