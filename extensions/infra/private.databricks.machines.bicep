      customVirtualNetworkId: {
        value: networkId
      }
      // Both are private; "public" is Databricks' word for that of the hosts.
      customPublicSubnetName: {
        value: 'databricks-host'
      }
      customPrivateSubnetName: {
        value: 'databricks-container'
      }
      storageAccountName: {
        value: workspaceStorageAccountName
      }
