{% from "extensions/infra.jinja" import job_principal %}

module rag 'rag.bicep' = {
  name: 'rag'
  params: {
    baseName: baseName
    location: location
    tags: tags
    publicNetworkAccess: publicNetworkAccess
    logAnalyticsId: logAnalyticsId
    jobPrincipalId: {{ job_principal[platform].bicep }}
  }
}
