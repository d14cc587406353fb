// Role assignments on the search service, one for each entry {principalId, principalType, role} whose principalId is
// given.
// A module of its own, because the name of an assignment may not hold a value that is known only during deployment,
// such as the principal of a new identity, while a parameter of a module may.
param searchServiceName string
param assignments array

resource search 'Microsoft.Search/searchServices@2025-05-01' existing = {
  name: searchServiceName
}

resource roleAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for assignment in assignments: if (!empty(assignment.principalId)) {
    name: guid(search.id, assignment.principalId, assignment.role)
    scope: search
    properties: {
      principalId: assignment.principalId
      principalType: assignment.principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', assignment.role)
    }
  }
]
