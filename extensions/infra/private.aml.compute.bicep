    endpoints
    packageRules
