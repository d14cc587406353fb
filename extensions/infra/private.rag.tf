
locals {
  rag_endpoints = merge(
    { account = { id = azurerm_cognitive_account.main.id, group = "account", zones = local.account_zones } },
    local.has_search ? {
      search = { id = azurerm_search_service.main[0].id, group = "searchService", zones = ["privatelink.search.windows.net"] }
    } : {},
  )
  account_zones = [
    "privatelink.cognitiveservices.azure.com",
    "privatelink.openai.azure.com",
    "privatelink.services.ai.azure.com",
  ]
}
