// Private endpoints, one for each entry {key, target, group}: an address in the network for one service of a resource.
// Their names go into the zones that zones.json lists for the group.
// A module of its own, because a loop may not run over values that are known only during deployment, such as the id of
// what was made a moment ago, while it may run over a parameter.
param baseName string
param location string
param tags object
param subnetId string
@description('Resource group that holds the zones. Empty: a policy of the landing zone writes the names.')
param zoneGroupId string
param endpoints array

var zones = loadJsonContent('zones.json')

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-07-01' = [
  for endpoint in endpoints: {
    name: 'pep-${baseName}-${endpoint.key}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: subnetId
      }
      privateLinkServiceConnections: [
        {
          name: endpoint.key
          properties: {
            privateLinkServiceId: endpoint.target
            groupIds: [
              endpoint.group
            ]
          }
        }
      ]
    }
  }
]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [
  for (endpoint, index) in endpoints: if (!empty(zoneGroupId)) {
    parent: privateEndpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        for zone in zones[endpoint.group]: {
          name: replace(zone, '.', '-')
          properties: {
            privateDnsZoneId: '${zoneGroupId}/providers/Microsoft.Network/privateDnsZones/${zone}'
          }
        }
      ]
    }
  }
]
