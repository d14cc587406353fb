
variable "package_hosts" {
  type        = list(string)
  default     = ["pypi.org", "files.pythonhosted.org"]
  description = "Hosts that images and jobs install from. They need a firewall of Azure's, which costs; without hosts there is none."

  validation {
    condition     = alltrue([for host in var.package_hosts : can(regex("^[a-z0-9-]+([.][a-z0-9-]+)+$", host))])
    error_message = "Write each host as pypi.org: lower case, no scheme, no port, no path, no star."
  }
}
