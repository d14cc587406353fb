// Storage without keys: shared key access is off, so every reader and writer is an Entra identity with a role.
// Blob settings (soft delete, CORS, containers) are the platform's, since it knows who reads blobs.
param name string
param location string
param tags object
param redundancy string
@description('True makes a data lake, with directories that have rights of their own. Fixed once the account exists.')
param hierarchical bool
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
    isHnsEnabled: hierarchical
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Disabled'
    networkAcls: {
      bypass: 'AzureServices'
      // Who comes in over a private endpoint passes no firewall; Azure's trusted services pass it by their identity.
      defaultAction: 'Deny'
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
