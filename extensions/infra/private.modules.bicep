{% from "extensions/infra.jinja" import groups %}

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
{% for group in groups[platform] + groups.get(project_type, []) %}
      zones.{{ group }}{{ "," if not loop.last }}
{% endfor %}
    )
  }
}
