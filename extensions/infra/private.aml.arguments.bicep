    endpointSubnetId: network.outputs.endpointSubnetId
    zoneGroupId: zoneGroupIds[privateDns]
    packageHosts: packageHosts
