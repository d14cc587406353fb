
var managedGroupId = workspace.properties.managedResourceGroupId
var workspaceStorageId = '${managedGroupId}/providers/Microsoft.Storage/storageAccounts/${workspaceStorageAccountName}'

// People, jobs and clusters come in over these. "root" is the storage that Databricks keeps for the workspace.
module endpoints 'modules/private-endpoints.bicep' = {
  name: 'endpoints'
  params: {
    baseName: baseName
    location: location
    tags: tags
    subnetId: endpointSubnetId
    zoneGroupId: zoneGroupId
    endpoints: [
      {
        key: 'blob'
        target: storageAccount.id
        group: 'blob'
      }
      {
        key: 'dfs'
        target: storageAccount.id
        group: 'dfs'
      }
      {
        key: 'root-blob'
        target: workspaceStorageId
        group: 'blob'
      }
      {
        key: 'root-dfs'
        target: workspaceStorageId
        group: 'dfs'
      }
      {
        key: 'databricks'
        target: workspace.id
        group: 'databricks_ui_api'
      }
    ]
  }
}

module browserEndpoint 'modules/private-endpoints.bicep' = if (browserAuthentication) {
  name: 'browser-endpoint'
  params: {
    baseName: baseName
    location: location
    tags: tags
    subnetId: endpointSubnetId
    zoneGroupId: zoneGroupId
    endpoints: [
      {
        key: 'browser'
        target: workspace.id
        group: 'browser_authentication'
      }
    ]
  }
}
