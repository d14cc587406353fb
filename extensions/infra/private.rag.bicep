
module accountEndpoint 'modules/private-endpoints.bicep' = {
  name: 'ai-endpoint'
  params: {
    baseName: baseName
    location: location
    tags: tags
    subnetId: endpointSubnetId
    zoneGroupId: zoneGroupId
    endpoints: [
      {
        key: 'account'
        target: resourceId('Microsoft.CognitiveServices/accounts', account.outputs.name)
        group: 'account'
      }
    ]
  }
}

module searchEndpoint 'modules/private-endpoints.bicep' = if (hasSearch) {
  name: 'search-endpoint'
  params: {
    baseName: baseName
    location: location
    tags: tags
    subnetId: endpointSubnetId
    zoneGroupId: zoneGroupId
    endpoints: [
      {
        key: 'search'
        target: resourceId('Microsoft.Search/searchServices', searchName)
        group: 'searchService'
      }
    ]
  }
  dependsOn: [
    search
  ]
}
