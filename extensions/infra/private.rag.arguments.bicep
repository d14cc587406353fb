    endpointSubnetId: endpointSubnetId
    zoneGroupId: zoneGroupId
