    // Azure keeps this network, and it can never be opened again. Machines in it reach Azure's own services, the endpoints
    // that Azure makes there for storage, vault and registry, and what the outbound rules allow.
    managedNetwork: {
      isolationMode: 'AllowOnlyApprovedOutbound'
      firewallSku: 'Basic'
      outboundRules: {
        // Parallel jobs hand out their files over a queue and note in a table what is done.
        'pe-queue': {
          type: 'PrivateEndpoint'
          category: 'UserDefined'
          destination: {
            serviceResourceId: storageAccount.id
            subresourceTarget: 'queue'
            sparkEnabled: false
          }
        }
        'pe-table': {
          type: 'PrivateEndpoint'
          category: 'UserDefined'
          destination: {
            serviceResourceId: storageAccount.id
            subresourceTarget: 'table'
            sparkEnabled: false
          }
        }
      }
    }
    provisionNetworkNow: true
    imageBuildCompute: 'cpu-cluster' // the registry's own builders cannot reach a private registry
