
// Jobs reach both over endpoints in the managed network, which the workspace makes and approves as itself.
resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspaceName
}

resource accountRule 'Microsoft.MachineLearningServices/workspaces/outboundRules@2025-06-01' = {
  parent: workspace
  name: 'pe-account'
  properties: {
    type: 'PrivateEndpoint'
    category: 'UserDefined'
    destination: {
      serviceResourceId: resourceId('Microsoft.CognitiveServices/accounts', accountName)
      subresourceTarget: 'account'
      sparkEnabled: false
    }
  }
  dependsOn: [
    accountRoles
  ]
}

resource searchRule 'Microsoft.MachineLearningServices/workspaces/outboundRules@2025-06-01' = if (hasSearch) {
  parent: workspace
  name: 'pe-search'
  properties: {
    type: 'PrivateEndpoint'
    category: 'UserDefined'
    destination: {
      serviceResourceId: resourceId('Microsoft.Search/searchServices', searchName)
      subresourceTarget: 'searchService'
      sparkEnabled: false
    }
  }
  dependsOn: [
    searchRoles
    accountRule // a workspace takes one change of its network at a time
  ]
}
