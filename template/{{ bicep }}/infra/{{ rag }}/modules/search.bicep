// A search service for the index of passages, with the semantic ranker, behind Entra tokens only. Its own identity
// holds no role: jobs send passages with their vectors, and the service asks nobody.
param name string
param location string
param tags object
@description('basic, standard or larger.')
param sku string
param replicas int
param partitions int
param publicNetworkAccess string
param logAnalyticsId string

resource search 'Microsoft.Search/searchServices@2025-05-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    disableLocalAuth: true
    semanticSearch: 'standard'
    replicaCount: replicas
    partitionCount: partitions
    publicNetworkAccess: publicNetworkAccess
    networkRuleSet: {
      bypass: 'None'
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'all'
  scope: search
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
