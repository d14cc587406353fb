variable "vault_recovery_days" {
  type        = number
  default     = 90
  description = "Days during which a deleted vault can be recovered. Azure fixes it when the vault is created."

  validation {
    condition     = var.vault_recovery_days >= 7 && var.vault_recovery_days <= 90
    error_message = "A deleted vault can be kept for 7 to 90 days."
  }
}

variable "registry_sku" {
  type        = string
  default     = "Standard"
  description = "Tier of the container registry."

  validation {
    condition     = contains(["Basic", "Standard", "Premium"], var.registry_sku)
    error_message = "The registry's tier must be Basic, Standard or Premium."
  }
}

variable "compute_vm_size" {
  type        = string
  default     = "Standard_D4ds_v4"
  description = "Virtual machine size of the training cluster."
}

variable "compute_max_nodes" {
  type        = number
  default     = 2
  description = "Most nodes that the training cluster may grow to. It always shrinks to none."

  validation {
    condition     = var.compute_max_nodes >= 1 && var.compute_max_nodes <= 100
    error_message = "The cluster can grow to 1 to 100 nodes."
  }
}

variable "people_group_id" {
  type        = string
  default     = ""
  description = "Object id of the Entra group of the people who work here. Empty: no role for people."
}

variable "ml_identity_id" {
  type        = string
  default     = ""
  description = "Object id of the identity with which CI submits jobs and registers models. Empty: no role for CI."
}

variable "model_registry" {
  type        = bool
  default     = false
  description = "True makes the registry over which environments share models. One environment has it: prod."
}

variable "model_registry_user_ids" {
  type        = list(string)
  default     = []
  description = "Object ids of the identities of other environments that use the model registry."
}
