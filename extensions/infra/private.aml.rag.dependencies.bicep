  dependsOn: [
    packageRules
  ]
