
variable "browser_authentication" {
  type        = bool
  default     = false
  description = "True also makes the endpoint of browser sign-in. One workspace in a region and DNS has it."
}
