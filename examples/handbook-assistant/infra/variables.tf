variable "resource_group_name" {
  type        = string
  description = "Resource group that holds this environment. It exists already; AZURE_RESOURCE_GROUP gives its name."
}

variable "workload" {
  type        = string
  description = "Short name of the project in resource names: lower-case letters and digits, a letter first."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.workload))
    error_message = "The workload must be 2 to 10 lower-case letters and digits, a letter first."
  }
}

variable "environment" {
  type        = string
  description = "Which of the three environments this resource group holds."

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "The environment must be dev, staging or prod."
  }
}

variable "team" {
  type        = string
  description = "Owning team, written on every resource as a tag."
}

variable "location" {
  type        = string
  description = "Azure region of all resources."
}

variable "storage_redundancy" {
  type        = string
  default     = "Standard_ZRS"
  description = "How many copies of the data Azure keeps. ZRS and GZRS are not offered in every region."

  validation {
    condition     = contains(["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"], var.storage_redundancy)
    error_message = "The storage redundancy must be Standard_LRS, Standard_ZRS, Standard_GRS or Standard_GZRS."
  }
}

variable "data_recovery_days" {
  type        = number
  default     = 30
  description = "Days during which deleted blobs and containers can be restored."

  validation {
    condition     = var.data_recovery_days >= 1 && var.data_recovery_days <= 365
    error_message = "Deleted data can be kept for 1 to 365 days."
  }
}

variable "log_retention_days" {
  type        = number
  default     = 90
  description = "Days that logs are kept."

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730
    error_message = "Logs can be kept for 30 to 730 days."
  }
}

variable "delete_locks" {
  type        = bool
  default     = true
  description = "True puts a delete lock on what holds data."
}

variable "budget_amount" {
  type        = number
  default     = 500
  description = "Monthly budget of the resource group, in the currency of the subscription."

  validation {
    condition     = var.budget_amount >= 1
    error_message = "The budget must be at least 1."
  }
}

variable "budget_start_date" {
  type        = string
  default     = ""
  description = "First day of the month in which the budget begins, as YYYY-MM-01. Empty: no budget."

  validation {
    condition     = var.budget_start_date == "" || can(regex("^20[0-9]{2}-(0[1-9]|1[0-2])-01$", var.budget_start_date))
    error_message = "The budget begins on the first day of a month, as YYYY-MM-01."
  }
}

variable "budget_emails" {
  type        = list(string)
  default     = []
  description = "Addresses that hear of a budget being used up. Empty: no budget."
}
