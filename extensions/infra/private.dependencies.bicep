  dependsOn: [
    privateZones
  ]
