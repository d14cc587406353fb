
// The application that answers.
resource servingIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${baseName}-serving'
  location: location
  tags: tags
}
