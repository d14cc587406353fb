terraform {
  # From 1.11 on, the backend signs in the way the provider does, so `az login` serves both, of a person and of CI.
  required_version = ">= 1.11, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
    # For what azurerm does not know yet: the model registry, and the network that Azure keeps for machines.
    azapi = {
      source  = "Azure/azapi"
      version = "~> 2.12"
    }
  }

  # tasks/terraform.py names the account, container and key of one environment. No access key: the account has none to give.
  backend "azurerm" {
    use_azuread_auth = true
  }
}

provider "azurerm" {
  storage_use_azuread = true
  # An identity that deploys into one resource group may not register services in the subscription: docs/resources.md does it once.
  resource_provider_registrations = "none"

  features {
    key_vault {
      purge_soft_delete_on_destroy    = false
      recover_soft_deleted_key_vaults = true
    }
  }
}
