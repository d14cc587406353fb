# The names of private endpoints: zones made here, zones that a hub keeps, or none where a policy of the landing zone writes the
# records. A zone is made once, although several endpoints use it.

locals {
  zones = toset(flatten([for endpoint in local.private_endpoints : endpoint.zones]))

  zone_ids = {
    for zone in local.zones : zone => var.private_dns == "create" ? azurerm_private_dns_zone.main[zone].id : (
      "${var.private_dns_group_id}/providers/Microsoft.Network/privateDnsZones/${zone}"
    )
  }
}

resource "azurerm_private_dns_zone" "main" {
  for_each            = toset([for zone in local.zones : zone if var.private_dns == "create"])
  name                = each.key
  resource_group_name = data.azurerm_resource_group.main.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "main" {
  for_each             = azurerm_private_dns_zone.main
  name                 = "vnet-${local.base_name}"
  private_dns_zone_id  = each.value.id
  virtual_network_id   = azurerm_virtual_network.main.id
  registration_enabled = false
  tags                 = local.tags
}
