    # For what azurerm does not know yet: the model registry, and the network that Azure keeps for machines.
    azapi = {
      source  = "Azure/azapi"
      version = "~> 2.12"
    }
