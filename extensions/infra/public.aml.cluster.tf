
  # A cluster keeps the rights it starts with, so it waits for them.
  depends_on = [azurerm_role_assignment.rights]
