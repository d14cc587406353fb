// What answering questions needs besides the platform: language models, content safety and a search service, none of
// which knows a key, and the identity of the application that answers. docs/services.md explains it.
//
// `platform.bicep` calls it and hands on its outputs, which the project's settings and jobs read; their names do not
// change.
param baseName string
param location string
param tags object
param publicNetworkAccess string
param logAnalyticsId string
@description('Object id of the identity with which jobs build the index and try answers.')
param jobPrincipalId string

// By id, since Microsoft renames roles. The keys are their display names, and a test holds them against each other.
var roles = {
  cognitiveServicesOpenAIUser: '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'
  cognitiveServicesUser: 'a97b65f3-24c7-4388-baec-2e87135dc908'
  searchIndexDataContributor: '8ebe5a00-799e-43f5-93ac-243d3dce84a7'
  searchIndexDataReader: '1407120a-92aa-4202-b7e9-c0e197c71c8f'
  searchServiceContributor: '7ca78c08-252a-4471-8644-bb5ff32d4ba0'
}

// A block an environment, the same file for every infrastructure language.
var environments = loadJsonContent('rag.json')
var settings = environments[tags.environment]
var hasSearch = settings.search.sku != 'none'

// Both names are shared with every other customer of Azure, so they end in a hash of something that only this project
// has: the id of its resource group.
var hash = take(uniqueString(resourceGroup().id, baseName), 5)
var accountName = 'ai-${baseName}-${hash}'
var searchName = 'srch-${baseName}-${hash}'

module account 'modules/ai.bicep' = {
  name: 'ai'
  params: {
    name: accountName
    location: location
    tags: tags
    models: [
      settings.chat
      settings.embedding
    ]
    publicNetworkAccess: publicNetworkAccess
    logAnalyticsId: logAnalyticsId
  }
}

module search 'modules/search.bicep' = if (hasSearch) {
  name: 'search'
  params: {
    name: searchName
    location: location
    tags: tags
    sku: settings.search.sku
    replicas: settings.search.replicas
    partitions: settings.search.partitions
    publicNetworkAccess: toLower(publicNetworkAccess) // written so by this service alone
    logAnalyticsId: logAnalyticsId
  }
}

resource servingIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${baseName}-serving'
  location: location
  tags: tags
}

module accountRoles 'modules/ai-roles.bicep' = {
  name: 'ai-roles'
  params: {
    accountName: account.outputs.name
    assignments: [
      {
        principalId: jobPrincipalId
        principalType: 'ServicePrincipal'
        role: roles.cognitiveServicesOpenAIUser
      }
      {
        principalId: jobPrincipalId
        principalType: 'ServicePrincipal'
        role: roles.cognitiveServicesUser
      }
      {
        principalId: servingIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.cognitiveServicesOpenAIUser
      }
      {
        principalId: servingIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.cognitiveServicesUser
      }
    ]
  }
}

module searchRoles 'modules/search-roles.bicep' = if (hasSearch) {
  name: 'search-roles'
  params: {
    searchServiceName: searchName
    assignments: [
      // Jobs make the index and fill it; who answers reads.
      {
        principalId: jobPrincipalId
        principalType: 'ServicePrincipal'
        role: roles.searchIndexDataContributor
      }
      {
        principalId: jobPrincipalId
        principalType: 'ServicePrincipal'
        role: roles.searchServiceContributor
      }
      {
        principalId: servingIdentity.properties.principalId
        principalType: 'ServicePrincipal'
        role: roles.searchIndexDataReader
      }
    ]
  }
  dependsOn: [
    search
  ]
}

output openai_endpoint string = 'https://${accountName}.openai.azure.com'
output content_safety_endpoint string = 'https://${accountName}.cognitiveservices.azure.com'
output search_endpoint string = hasSearch ? 'https://${searchName}.search.windows.net' : ''
output chat_deployment string = settings.chat.name
output embedding_deployment string = settings.embedding.name
output serving_identity_client_id string = servingIdentity.properties.clientId
