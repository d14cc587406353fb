// The environment's own network, with addresses from network.json, which were planned when the project was made and never
// change. Each subnet has a security group, and machines reach out as `egress` says. Ways in are the owner's: a peered hub
// or machines in the subnet `agents`.
param baseName string
param location string
param tags object
param egress string
param applianceAddress string
param hubNetworkId string
param hubGateway bool
param logAnalyticsId string

// A block an environment, the same file for every infrastructure language.
var plans = loadJsonContent('../network.json')
var plan = plans[tags.environment]

// Azure lets nobody in from the internet by itself; written down, the rule outlives one that is added by hand.
var closed = [
  {
    name: 'DenyInternetInBound'
    direction: 'Inbound'
    access: 'Deny'
    priority: 4000
    protocol: '*'
    source: 'Internet'
    destination: '*'
    port: '*'
  }
]
// Machines are in all of them but the one of the private endpoints, which reaches nothing.
var subnets = [
  {
    name: 'private-endpoints'
    range: plan.subnets.privateEndpoints
    machines: false
    delegations: []
    rules: closed
  }
  {
    name: 'agents'
    range: plan.subnets.agents
    machines: true
    delegations: []
    rules: closed
  }
]

resource securityGroups 'Microsoft.Network/networkSecurityGroups@2024-07-01' = [
  for subnet in subnets: {
    name: 'nsg-${baseName}-${subnet.name}'
    location: location
    tags: tags
    properties: {
      securityRules: [
        for rule in subnet.rules: {
          name: rule.name
          properties: {
            direction: rule.direction
            access: rule.access
            priority: rule.priority
            protocol: rule.protocol
            sourceAddressPrefix: rule.source
            sourcePortRange: '*'
            destinationAddressPrefix: rule.destination
            destinationPortRange: rule.port
          }
        }
      ]
    }
  }
]

resource natAddress 'Microsoft.Network/publicIPAddresses@2024-07-01' = if (egress == 'nat') {
  name: 'pip-${baseName}-nat'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource nat 'Microsoft.Network/natGateways@2024-07-01' = if (egress == 'nat') {
  name: 'ng-${baseName}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIpAddresses: [
      {
        id: natAddress.id
      }
    ]
  }
}

resource routes 'Microsoft.Network/routeTables@2024-07-01' = if (egress == 'appliance') {
  name: 'rt-${baseName}'
  location: location
  tags: tags
  properties: {
    disableBgpRoutePropagation: true // a route learnt from a gateway would lead around the firewall
    routes: [
      {
        name: 'default'
        properties: {
          addressPrefix: '0.0.0.0/0'
          nextHopType: 'VirtualAppliance'
          nextHopIpAddress: applianceAddress
        }
      }
    ]
  }
}

// Subnets stand inside the network: as resources of their own, each deployment would take them away and make them again.
resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: 'vnet-${baseName}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: plan.addressPrefixes
    }
    subnets: [
      for (subnet, index) in subnets: {
        name: subnet.name
        properties: {
          addressPrefix: subnet.range
          defaultOutboundAccess: false
          // Without it the rules of the security group would not count for private endpoints.
          privateEndpointNetworkPolicies: subnet.machines ? 'Disabled' : 'Enabled'
          delegations: subnet.delegations
          networkSecurityGroup: {
            id: securityGroups[index].id
          }
          natGateway: subnet.machines && egress == 'nat' ? { id: nat.id } : null
          routeTable: subnet.machines && egress == 'appliance' ? { id: routes.id } : null
        }
      }
    ]
  }
}

// This side only: the owner of the hub makes the other.
resource peering 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings@2024-07-01' = if (!empty(hubNetworkId)) {
  parent: network
  name: 'peer-hub'
  properties: {
    remoteVirtualNetwork: {
      id: hubNetworkId
    }
    allowVirtualNetworkAccess: true
    allowForwardedTraffic: true
    allowGatewayTransit: false
    useRemoteGateways: hubGateway // the way to what lies behind the hub's VPN or ExpressRoute
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'all'
  scope: network
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

resource securityGroupDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = [
  for (subnet, index) in subnets: {
    name: 'all'
    scope: securityGroups[index]
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
]

resource natAddressDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (egress == 'nat') {
  name: 'all'
  scope: natAddress
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

output id string = network.id
output name string = network.name
output endpointSubnetId string = '${network.id}/subnets/private-endpoints'
