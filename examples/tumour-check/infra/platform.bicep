// Azure Machine Learning: workspace, training cluster, an identity for jobs and one for endpoints, the registry of models
// and every role assignment.
// The outputs are the contract that the project's Azure ML files read; their names do not change.
//
// The job identity is attached to the cluster and, beside the workspace's own identity, to the workspace: serverless
// compute takes no system-assigned identity, and a job that writes a model to keyless storage needs one of its own.
param baseName string
param location string
param tags object
param storageAccountName string
param keyVaultName string
param containerRegistryName string
param applicationInsightsName string
param logAnalyticsId string
param dataRecoveryDays int
param computeVmSize string
param computeMaxNodes int
param peopleGroupId string
param mlIdentityId string
param modelRegistry bool
param modelRegistryName string
param modelRegistryUserIds array
param deleteLocks bool
param endpointSubnetId string
param zoneGroupId string
param packageHosts array

// By id, since Microsoft renames roles. The keys are their display names, and a test holds them against each other.
var roles = {
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  azureMLComputeOperator: 'e503ece1-11d0-4e8e-8e2c-7a6c3bf38815'
  azureMLDataScientist: 'f6c7c914-8db3-469d-8ca1-694a8f32e121'
  azureMLRegistryUser: '1823dd4f-9b8c-4ab6-ab4e-7397a3684615'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageFileDataPrivilegedContributor: '69566ab7-960f-475b-8e7c-b3118f30c6bd'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

resource storageAccount 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource keyVault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: keyVaultName
}

resource containerRegistry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: containerRegistryName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
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
    // Azure ML studio reads blobs from the browser. Azure ML writes this rule itself when it makes the workspace;
    // without it here, the next deployment would take it away.
    cors: {
      corsRules: [
        {
          allowedOrigins: [
            'https://ml.azure.com'
            'https://*.ml.azure.com'
            'https://ai.azure.com'
            'https://*.ai.azure.com'
            'https://mlworkspace.azure.ai'
          ]
          allowedMethods: [
            'GET'
            'HEAD'
            'POST'
            'PUT'
            'DELETE'
            'OPTIONS'
            'PATCH'
          ]
          allowedHeaders: [
            '*'
          ]
          exposedHeaders: [
            '*'
          ]
          maxAgeInSeconds: 1800
        }
      ]
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

resource computeIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${baseName}-compute'
  location: location
  tags: tags
}

// For endpoints, which need no more than to pull an image and to read a model.
resource servingIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${baseName}-serving'
  location: location
  tags: tags
}

module storageRoles 'modules/storage-roles.bicep' = {
  name: 'storage-roles'
  params: {
    storageAccountName: storageAccount.name
    assignments: [
      {
        principalId: computeIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.storageBlobDataContributor
      }
      // A parallel job hands out its files over a queue and notes in a table what is done.
      {
        principalId: computeIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.storageQueueDataContributor
      }
      {
        principalId: computeIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.storageTableDataContributor
      }
      {
        principalId: servingIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.storageBlobDataReader
      }
      {
        principalId: mlIdentityId
        principalType: 'ServicePrincipal'
        role: roles.storageBlobDataContributor
      }
      {
        principalId: peopleGroupId
        principalType: 'Group'
        role: roles.storageBlobDataContributor
      }
      {
        principalId: peopleGroupId
        principalType: 'Group'
        role: roles.storageFileDataPrivilegedContributor
      }
    ]
  }
}

module registryRoles 'modules/registry-roles.bicep' = {
  name: 'registry-roles'
  params: {
    containerRegistryName: containerRegistry.name
    assignments: [
      {
        principalId: computeIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.acrPull
      }
      {
        principalId: servingIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.acrPull
      }
    ]
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' = {
  name: 'mlw-${baseName}'
  location: location
  tags: tags
  kind: 'Default'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: {
    type: 'SystemAssigned,UserAssigned'
    userAssignedIdentities: {
      '${computeIdentity.id}': {}
    }
  }
  properties: {
    friendlyName: 'mlw-${baseName}'
    storageAccount: storageAccount.id
    keyVault: keyVault.id
    containerRegistry: containerRegistry.id
    applicationInsights: applicationInsights.id
    systemDatastoresAuthMode: 'Identity'
    publicNetworkAccess: 'Disabled'
    v1LegacyMode: false
    // Azure keeps this network, and it can never be opened again. Machines in it reach Azure's own services, the endpoints
    // that Azure makes there for storage, vault and registry, and what the outbound rules allow.
    managedNetwork: {
      isolationMode: 'AllowOnlyApprovedOutbound'
      firewallSku: 'Basic'
      outboundRules: {
        // Parallel jobs hand out their files over a queue and note in a table what is done.
        'pe-queue': {
          type: 'PrivateEndpoint'
          category: 'UserDefined'
          destination: {
            serviceResourceId: storageAccount.id
            subresourceTarget: 'queue'
            sparkEnabled: false
          }
        }
        'pe-table': {
          type: 'PrivateEndpoint'
          category: 'UserDefined'
          destination: {
            serviceResourceId: storageAccount.id
            subresourceTarget: 'table'
            sparkEnabled: false
          }
        }
      }
    }
    provisionNetworkNow: true
    imageBuildCompute: 'cpu-cluster' // the registry's own builders cannot reach a private registry
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

// No delete lock on the workspace: it would reach the cluster below it and keep its nodes from being removed.
resource compute 'Microsoft.MachineLearningServices/workspaces/computes@2025-06-01' = {
  parent: workspace
  name: 'cpu-cluster'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${computeIdentity.id}': {}
    }
  }
  properties: {
    computeType: 'AmlCompute'
    disableLocalAuth: true
    properties: {
      osType: 'Linux'
      vmSize: computeVmSize
      vmPriority: 'Dedicated'
      remoteLoginPortPublicAccess: 'Disabled'
      enableNodePublicIp: false
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: computeMaxNodes
        nodeIdleTimeBeforeScaleDown: 'PT5M'
      }
    }
  }
  // A cluster keeps the rights it starts with, finds its workspace by a private address and lives behind the outbound
  // rules.
  dependsOn: [
    storageRoles
    registryRoles
    endpoints
    packageRules
  ]
}

module workspaceRoles 'modules/workspace-roles.bicep' = {
  name: 'workspace-roles'
  params: {
    workspaceName: workspace.name
    assignments: [
      {
        principalId: mlIdentityId
        principalType: 'ServicePrincipal'
        role: roles.azureMLDataScientist
      }
      {
        principalId: peopleGroupId
        principalType: 'Group'
        role: roles.azureMLDataScientist
      }
      {
        principalId: peopleGroupId
        principalType: 'Group'
        role: roles.azureMLComputeOperator
      }
    ]
  }
}

module models 'modules/model-registry.bicep' = if (modelRegistry) {
  name: 'model-registry'
  params: {
    name: modelRegistryName
    location: location
    tags: tags
    logAnalyticsId: logAnalyticsId
    deleteLock: deleteLocks
  }
}

// CI of this environment, and of those that share its registry.
module modelRegistryRoles 'modules/model-registry-roles.bicep' = [
  for id in union([mlIdentityId], modelRegistryUserIds): if (modelRegistry) {
    name: 'model-registry-roles-${id}'
    params: {
      modelRegistryName: modelRegistryName
      assignments: [
        {
          principalId: id
          principalType: 'ServicePrincipal'
          role: roles.azureMLRegistryUser
        }
      ]
    }
    dependsOn: [
      models
    ]
  }
]

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

output workspace_name string = workspace.name
output resource_group_name string = resourceGroup().name
output storage_account_name string = storageAccount.name
output key_vault_name string = keyVault.name
output container_registry_name string = containerRegistry.name
output application_insights_name string = applicationInsights.name
output compute_name string = compute.name
output compute_identity_client_id string = computeIdentity.properties.clientId
output serving_identity_client_id string = servingIdentity.properties.clientId
output model_registry_name string = modelRegistry ? modelRegistryName : ''
