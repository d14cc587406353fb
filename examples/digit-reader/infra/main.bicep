// What Azure Databricks needs, in one resource group: logs and a keyless lake. The platform itself (workspace, access
// connector, role assignment) is the module `platform.bicep`, and the outputs are that module's too.
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

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

@description('True puts a delete lock on storage.')
param deleteLocks bool = true

@description('Monthly budget of the resource group, in the currency of the subscription.')
@minValue(1)
param budgetAmount int = 500

@description('First day of the month in which the budget begins, as YYYY-MM-01. Empty: no budget.')
param budgetStartDate string = ''

@description('Addresses that hear of a budget being used up. Empty: no budget.')
param budgetEmails array = []

var codes = {
  dev: 'dev'
  staging: 'stg'
  prod: 'prod'
}
var code = codes[environment]

// The storage name is shared with every other customer of Azure and the managed group's with the subscription, so both
// end in a hash of something that only this project has: the id of its resource group.
var hash = take(uniqueString(resourceGroup().id, workload, code), 5)
var baseName = '${workload}-${code}'
var names = {
  storageAccount: 'st${workload}${code}${hash}'
  managedResourceGroup: 'rg-dbw-${workload}-${code}-${hash}'
  logAnalytics: 'log-${workload}-${code}'
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

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    name: names.storageAccount
    location: location
    tags: tags
    redundancy: storageRedundancy
    hierarchical: true // Unity Catalog wants a lake
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

// The name of this deployment is read by `poe infra-outputs`.
module platform 'platform.bicep' = {
  name: 'platform'
  params: {
    baseName: baseName
    managedResourceGroupName: names.managedResourceGroup
    location: location
    tags: tags
    storageAccountName: storage.outputs.name
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    dataRecoveryDays: dataRecoveryDays
  }
}
