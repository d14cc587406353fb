// Role assignments on the model registry, one for each entry {principalId, principalType, role} whose principalId is
// given.
// A module of its own, because the name of an assignment may not hold a value that is known only during deployment,
// such as the principal of a new identity, while a parameter of a module may.
param modelRegistryName string
param assignments array

resource registry 'Microsoft.MachineLearningServices/registries@2025-06-01' existing = {
  name: modelRegistryName
}

resource roleAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for assignment in assignments: if (!empty(assignment.principalId)) {
    name: guid(registry.id, assignment.principalId, assignment.role)
    scope: registry
    properties: {
      principalId: assignment.principalId
      principalType: assignment.principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', assignment.role)
    }
  }
]
