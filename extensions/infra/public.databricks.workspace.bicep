    requiredNsgRules: 'AllRules'
