// Azure Databricks: a workspace, the container for Unity Catalog and the identity with which Unity Catalog opens it.
// The outputs are the contract that the project's Databricks files read; their names do not change.
//
// Storage credential, external location, catalog and grants are no resources of Azure: `poe platform-setup` makes them
// from these outputs.
param baseName string
param managedResourceGroupName string
param location string
param tags object
param storageAccountName string
param logAnalyticsId string
param dataRecoveryDays int

// By id, since Microsoft renames roles. The key is its display name, and a test holds them against each other.
var roles = {
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
}

resource storageAccount 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: storageAccount
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: dataRecoveryDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: dataRecoveryDays
    }
  }
}

resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: blobService
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}

resource catalog 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobService
  name: 'catalog'
  properties: {
    publicAccess: 'None'
  }
}

resource accessConnector 'Microsoft.Databricks/accessConnectors@2024-05-01' = {
  name: 'dbac-${baseName}'
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
}

// People and jobs hold no role here: Unity Catalog checks their grants and opens the files as the access connector.
module storageRoles 'modules/storage-roles.bicep' = {
  name: 'storage-roles'
  params: {
    storageAccountName: storageAccount.name
    assignments: [
      {
        principalId: accessConnector.identity.principalId
        principalType: 'ServicePrincipal'
        role: roles.storageBlobDataContributor
      }
    ]
  }
}

resource workspace 'Microsoft.Databricks/workspaces@2024-05-01' = {
  name: 'dbw-${baseName}'
  location: location
  tags: tags
  sku: {
    name: 'premium' // Unity Catalog, and logs of what people do
  }
  properties: {
    // Databricks makes this group for its own network and storage, and denies changes in it to everybody else.
    managedResourceGroupId: '${subscription().id}/resourceGroups/${managedResourceGroupName}'
    publicNetworkAccess: 'Enabled'
    requiredNsgRules: 'AllRules'
    parameters: {
      enableNoPublicIp: {
        value: true
      }
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'all'
  scope: workspace
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

output workspace_name string = workspace.name
output workspace_url string = 'https://${workspace.properties.workspaceUrl}'
output resource_group_name string = resourceGroup().name
output storage_account_name string = storageAccount.name
output catalog_storage_url string = 'abfss://${catalog.name}@${storageAccount.name}.dfs.${environment().suffixes.storage}/'
output access_connector_id string = accessConnector.id
