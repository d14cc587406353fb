# https://github.com/terraform-linters/tflint/blob/master/docs/user-guide/config.md
# What Terraform itself accepts and Azure refuses, such as a name with a wrong letter, and declarations that nothing reads.

plugin "terraform" {
  enabled = true
  preset  = "recommended"
}

plugin "azurerm" {
  enabled   = true
  version   = "0.32.0"
  source    = "github.com/terraform-linters/tflint-ruleset-azurerm"
  signature = "attestation" # GitHub's word that the release was built from this repository
}
