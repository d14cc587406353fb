
mock_provider "azapi" {
  source = "./tests"
}
