    // Azure keeps this network, and it can never be opened again. Machines in it reach Azure's own services, the endpoints
    // that Azure makes for storage, vault and registry, and what the outbound rules allow.
    managedNetwork: {
      isolationMode: 'AllowOnlyApprovedOutbound'
      firewallSku: 'Basic'
    }
    provisionNetworkNow: true
    imageBuildCompute: 'cpu-cluster' // the registry's own builders cannot reach a private registry
