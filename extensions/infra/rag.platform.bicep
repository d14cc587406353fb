{% from "extensions/infra.jinja" import job_principal %}
{% include "extensions/infra/rag." ~ platform ~ ".serving.bicep" ignore missing %}

module rag 'rag.bicep' = {
  name: 'rag'
  params: {
    baseName: baseName
    location: location
    tags: tags
    logAnalyticsId: logAnalyticsId
    jobPrincipalId: {{ job_principal[platform].bicep }}
    servingPrincipalId: servingIdentity.properties.principalId
{% include "extensions/infra/" ~ network ~ ".rag.arguments.bicep" ignore missing %}
{% include "extensions/infra/" ~ network ~ "." ~ platform ~ ".rag.arguments.bicep" ignore missing %}
  }
{% include "extensions/infra/" ~ network ~ "." ~ platform ~ ".rag.dependencies.bicep" ignore missing %}
}
