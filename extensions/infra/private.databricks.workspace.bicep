    requiredNsgRules: 'NoAzureDatabricksRules'
    // The storage that Databricks keeps for the workspace admits private endpoints and this identity only.
    defaultStorageFirewall: 'Enabled'
    accessConnector: {
      id: accessConnector.id
      identityType: 'SystemAssigned'
    }
