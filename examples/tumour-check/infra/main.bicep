// What Azure Machine Learning needs, in one resource group: logs, keyless storage, a vault and a registry. The platform
// itself (workspace, compute, role assignments) is the module `platform.bicep`, and the outputs are that module's too.
//
// Stay inside the part of Bicep that offline scanners read: no `string?`, no typed arrays, no `func`, no .bicepparam.
// A file that a scanner cannot parse counts as clean.
targetScope = 'resourceGroup'

@description('Short name of the project in resource names: lower-case letters and digits, a letter first.')
@minLength(2)
@maxLength(10)
param workload string

@description('Which of the three environments this resource group holds.')
@allowed([
  'dev'
  'staging'
  'prod'
])
param environment string

@description('Owning team, written on every resource as a tag.')
param team string

@description('Azure region of all resources.')
param location string = resourceGroup().location

@description('How many copies of the data Azure keeps. ZRS and GZRS are not offered in every region.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param storageRedundancy string = 'Standard_ZRS'

@description('Days during which deleted blobs and containers can be restored.')
@minValue(1)
@maxValue(365)
param dataRecoveryDays int = 30

@description('Days during which a deleted vault can be recovered. Azure fixes it when the vault is created.')
@minValue(7)
@maxValue(90)
param vaultRecoveryDays int = 90

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

@description('True puts a delete lock on storage, vault and registry.')
param deleteLocks bool = true

@description('Virtual machine size of the training cluster.')
param computeVmSize string = 'Standard_D4ds_v4'

@description('Most nodes that the training cluster may grow to. It always shrinks to none.')
@minValue(1)
@maxValue(100)
param computeMaxNodes int = 2

@description('Object id of the Entra group of the people who work here. Empty: no role for people.')
param peopleGroupId string = ''

@description('Object id of the identity with which CI submits jobs and registers models. Empty: no role for CI.')
param mlIdentityId string = ''

@description('True makes the registry of models that the environments share. One environment makes it, prod.')
param modelRegistry bool = false

@description('Object ids of the identities with which CI of the other environments uses the model registry.')
param modelRegistryUserIds array = []

@description('Monthly budget of the resource group, in the currency of the subscription.')
@minValue(1)
param budgetAmount int = 500

@description('First day of the month in which the budget begins, as YYYY-MM-01. Empty: no budget.')
param budgetStartDate string = ''

@description('Addresses that hear of a budget being used up. Empty: no budget.')
param budgetEmails array = []

@description('Who keeps the names of endpoints: zones made here, zones of the hub, or a policy of the landing zone.')
@allowed([
  'create'
  'byo'
  'policy'
])
param privateDns string = 'create'

@description('Id of the resource group that holds the private DNS zones, for byo.')
param privateDnsGroupId string = ''

@description('Id of the virtual network of a hub to peer with. Empty: none.')
param hubNetworkId string = ''

@description('True when people come through a gateway of the hub (VPN, ExpressRoute), which must let this network use it.')
param hubGateway bool = false

@description('How machines in this network reach out: not at all, from one public address, or through a firewall.')
@allowed([
  'none'
  'nat'
  'appliance'
])
param egress string = 'none'

@description('Private address of the firewall, for appliance.')
param applianceAddress string = ''

@description('Hosts that images and jobs install from, behind a firewall of Azure, which costs. Empty: neither.')
param packageHosts array = [
  'pypi.org'
  'files.pythonhosted.org'
]

var codes = {
  dev: 'dev'
  staging: 'stg'
  prod: 'prod'
}
var code = codes[environment]

// Names of storage, vault and both registries are shared with every other customer of Azure, so they end in a hash of
// something that only this project has: the id of its resource group.
var hash = take(uniqueString(resourceGroup().id, workload, code), 5)
var baseName = '${workload}-${code}'
var names = {
  storageAccount: 'st${workload}${code}${hash}'
  keyVault: 'kv-${workload}-${code}-${hash}'
  containerRegistry: 'cr${workload}${code}${hash}'
  logAnalytics: 'log-${workload}-${code}'
  applicationInsights: 'appi-${workload}-${code}'
  modelRegistry: 'mlr-${workload}-${hash}'
  budget: 'budget-${workload}-${code}'
}
var tags = {
  workload: workload
  environment: environment
  team: team
  managedBy: 'bicep'
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    name: names.logAnalytics
    location: location
    tags: tags
    retentionDays: logRetentionDays
  }
}

module insights 'modules/insights.bicep' = {
  name: 'insights'
  params: {
    name: names.applicationInsights
    location: location
    tags: tags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    name: names.storageAccount
    location: location
    tags: tags
    redundancy: storageRedundancy
    hierarchical: false // Azure ML refuses a lake as the storage of a workspace
    deleteLock: deleteLocks
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    name: names.keyVault
    location: location
    tags: tags
    recoveryDays: vaultRecoveryDays
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    deleteLock: deleteLocks
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  params: {
    name: names.containerRegistry
    location: location
    tags: tags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    deleteLock: deleteLocks
  }
}

module budget 'modules/budget.bicep' = if (!empty(budgetStartDate) && !empty(budgetEmails)) {
  name: 'budget'
  params: {
    name: names.budget
    amount: budgetAmount
    startDate: budgetStartDate
    emails: budgetEmails
  }
}

module network 'modules/network.bicep' = {
  name: 'network'
  params: {
    baseName: baseName
    location: location
    tags: tags
    egress: egress
    applianceAddress: applianceAddress
    hubNetworkId: hubNetworkId
    hubGateway: hubGateway
    logAnalyticsId: monitoring.outputs.logAnalyticsId
  }
}

// Zones by kind of endpoint; several kinds may share one.
var zones = loadJsonContent('modules/zones.json')
var zoneGroupIds = {
  create: resourceGroup().id
  byo: privateDnsGroupId
  policy: ''
}

module privateZones 'modules/private-dns.bicep' = if (privateDns == 'create') {
  name: 'private-dns'
  params: {
    tags: tags
    networkName: network.outputs.name
    zones: union(
      zones.blob,
      zones.file,
      zones.queue,
      zones.table,
      zones.vault,
      zones.registry,
      zones.amlworkspace
    )
  }
}

// The name of this deployment is read by `poe infra-outputs`.
module platform 'platform.bicep' = {
  name: 'platform'
  params: {
    baseName: baseName
    location: location
    tags: tags
    storageAccountName: storage.outputs.name
    keyVaultName: vault.outputs.name
    containerRegistryName: registry.outputs.name
    applicationInsightsName: insights.outputs.name
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    dataRecoveryDays: dataRecoveryDays
    computeVmSize: computeVmSize
    computeMaxNodes: computeMaxNodes
    peopleGroupId: peopleGroupId
    mlIdentityId: mlIdentityId
    modelRegistry: modelRegistry
    modelRegistryName: names.modelRegistry
    modelRegistryUserIds: modelRegistryUserIds
    deleteLocks: deleteLocks
    endpointSubnetId: network.outputs.endpointSubnetId
    zoneGroupId: zoneGroupIds[privateDns]
    packageHosts: packageHosts
  }
  dependsOn: [
    privateZones
  ]
}
