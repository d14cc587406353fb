{% from "extensions/infra.jinja" import egress %}

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
param egress string = '{{ egress[platform] }}'

@description('Private address of the firewall, for appliance.')
param applianceAddress string = ''
