// Storage without keys: shared key access is off, so every reader and writer is an Entra identity with a role.
// Blob settings (soft delete, CORS) are the platform's, since it is the platform that reads blobs from a browser.
param name string
param location string
param tags object
param redundancy string
param publicNetworkAccess string
param deleteLock bool

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    accessTier: 'Hot'
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      bypass: 'AzureServices'
      // Nodes of serverless compute have no fixed address and are not a trusted service, so an open endpoint that
      // admits identities only is what lets jobs read their data without a private network.
      defaultAction: publicNetworkAccess == 'Enabled' ? 'Allow' : 'Deny'
    }
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (deleteLock) {
  name: 'keep'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds training data and models.'
  }
}

output name string = account.name
