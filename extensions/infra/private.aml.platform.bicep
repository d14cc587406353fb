
// Who works here comes in over these; jobs have endpoints of their own in the managed network.
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
        key: 'file'
        target: storageAccount.id
        group: 'file'
      }
      {
        key: 'queue'
        target: storageAccount.id
        group: 'queue'
      }
      {
        key: 'table'
        target: storageAccount.id
        group: 'table'
      }
      {
        key: 'vault'
        target: keyVault.id
        group: 'vault'
      }
      {
        key: 'registry'
        target: containerRegistry.id
        group: 'registry'
      }
      {
        key: 'workspace'
        target: workspace.id
        group: 'amlworkspace'
      }
    ]
  }
}

module modelRegistryEndpoint 'modules/private-endpoints.bicep' = if (modelRegistry) {
  name: 'model-registry-endpoint'
  params: {
    baseName: baseName
    location: location
    tags: tags
    subnetId: endpointSubnetId
    zoneGroupId: zoneGroupId
    endpoints: [
      {
        key: 'modelregistry'
        target: resourceId('Microsoft.MachineLearningServices/registries', modelRegistryName)
        group: 'amlregistry'
      }
    ]
  }
  dependsOn: [
    models
  ]
}

// One after the other, since a workspace takes one change of its network at a time.
@batchSize(1)
resource packageRules 'Microsoft.MachineLearningServices/workspaces/outboundRules@2025-06-01' = [
  for host in packageHosts: {
    parent: workspace
    name: 'fqdn-${replace(host, '.', '-')}'
    properties: {
      type: 'FQDN'
      category: 'UserDefined'
      destination: host
    }
  }
]
