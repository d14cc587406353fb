
locals {
  rag_endpoints = {
    account = { id = azurerm_cognitive_account.main.id, group = "account", zones = local.account_zones }
    search = {
      given = local.has_search
      id    = one(azurerm_search_service.main[*].id)
      group = "searchService"
      zones = ["privatelink.search.windows.net"]
    }
  }
  account_zones = [
    "privatelink.cognitiveservices.azure.com",
    "privatelink.openai.azure.com",
    "privatelink.services.ai.azure.com",
  ]
}
