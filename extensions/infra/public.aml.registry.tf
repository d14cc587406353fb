variable "registry_sku" {
  type        = string
  default     = "Standard"
  description = "Tier of the container registry."

  validation {
    condition     = contains(["Basic", "Standard", "Premium"], var.registry_sku)
    error_message = "The registry's tier must be Basic, Standard or Premium."
  }
}

