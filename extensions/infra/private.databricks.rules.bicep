
// With private link Databricks adds no rules; sign-in and what is downloaded with it stay reachable whatever else is shut.
var signIn = [
  {
    name: 'AllowEntraOutBound'
    direction: 'Outbound'
    access: 'Allow'
    priority: 100
    protocol: 'Tcp'
    source: 'VirtualNetwork'
    destination: 'AzureActiveDirectory'
    port: '443'
  }
  {
    name: 'AllowFrontDoorOutBound'
    direction: 'Outbound'
    access: 'Allow'
    priority: 110
    protocol: 'Tcp'
    source: 'VirtualNetwork'
    destination: 'AzureFrontDoor.Frontend'
    port: '443'
  }
]
var delegation = {
  name: 'databricks'
  properties: {
    serviceName: 'Microsoft.Databricks/workspaces'
  }
}

