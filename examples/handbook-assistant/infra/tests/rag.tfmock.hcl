# Ids as Azure writes them.

mock_resource "azurerm_cognitive_account" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-test/providers/Microsoft.CognitiveServices/accounts/ai-test"
  }
}

mock_resource "azurerm_search_service" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-test/providers/Microsoft.Search/searchServices/srch-test"
  }
}
