{% from "extensions/infra.jinja" import egress %}

private_dns          = "create"
private_dns_group_id = ""
hub_network_id       = ""
hub_gateway          = false
egress               = "{{ egress[platform] }}"
appliance_address    = ""
