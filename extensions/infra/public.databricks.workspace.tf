  network_security_group_rules_required = "AllRules"

  custom_parameters {
    no_public_ip = true
  }
