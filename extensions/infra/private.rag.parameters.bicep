param endpointSubnetId string
param zoneGroupId string
