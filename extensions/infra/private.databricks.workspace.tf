  network_security_group_rules_required = "NoAzureDatabricksRules"
  default_storage_firewall_enabled      = true
  access_connector_id                   = azurerm_databricks_access_connector.main.id

  custom_parameters {
    no_public_ip                                         = true
    storage_account_name                                 = local.root_storage_name
    virtual_network_id                                   = azurerm_virtual_network.main.id
    public_subnet_name                                   = azurerm_subnet.main["databricks-host"].name
    public_subnet_network_security_group_association_id  = local.secured["databricks-host"]
    private_subnet_name                                  = azurerm_subnet.main["databricks-container"].name
    private_subnet_network_security_group_association_id = local.secured["databricks-container"]
  }
