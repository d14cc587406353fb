    workspaceName: workspace.name
    workspacePrincipalId: workspace.identity.principalId
