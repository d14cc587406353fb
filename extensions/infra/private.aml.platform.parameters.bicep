param endpointSubnetId string
param zoneGroupId string
param packageHosts array
