# A monthly budget of the resource group: it tells people, it stops nothing. The start date is a variable because Azure wants
# the first day of the running month at creation and the same date ever after; a date computed at each run would change.
resource "azurerm_consumption_budget_resource_group" "main" {
  count             = var.budget_start_date != "" && length(var.budget_emails) > 0 ? 1 : 0
  name              = "budget-${local.base_name}"
  resource_group_id = data.azurerm_resource_group.main.id
  amount            = var.budget_amount
  time_grain        = "Monthly"

  time_period {
    start_date = "${var.budget_start_date}T00:00:00Z"
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 50
    threshold_type = "Actual"
    contact_emails = var.budget_emails
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 80
    threshold_type = "Actual"
    contact_emails = var.budget_emails
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_emails = var.budget_emails
  }
}
