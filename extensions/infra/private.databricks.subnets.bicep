  {
    name: 'databricks-host'
    range: plan.subnets.databricksHost
    machines: true
    delegations: [
      delegation
    ]
    rules: signIn
  }
  {
    name: 'databricks-container'
    range: plan.subnets.databricksContainer
    machines: true
    delegations: [
      delegation
    ]
    rules: signIn
  }
