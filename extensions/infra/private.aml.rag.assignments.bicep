      {
        principalId: workspacePrincipalId
        principalType: 'ServicePrincipal'
        role: roles.azureAIEnterpriseNetworkConnectionApprover
      }
