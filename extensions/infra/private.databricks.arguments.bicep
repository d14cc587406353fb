    networkId: network.outputs.id
    endpointSubnetId: network.outputs.endpointSubnetId
    zoneGroupId: zoneGroupIds[privateDns]
    workspaceStorageAccountName: names.workspaceStorageAccount
    browserAuthentication: browserAuthentication
