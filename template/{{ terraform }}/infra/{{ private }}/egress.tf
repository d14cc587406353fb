# How machines reach what has no private endpoint: not at all, from one address that others can allow, or through a firewall.

resource "azurerm_public_ip" "nat" {
  count               = var.egress == "nat" ? 1 : 0
  name                = "pip-${local.base_name}-nat"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags
  sku                 = "Standard"
  allocation_method   = "Static"
}

resource "azurerm_monitor_diagnostic_setting" "nat" {
  count                      = var.egress == "nat" ? 1 : 0
  name                       = "all"
  target_resource_id         = azurerm_public_ip.nat[0].id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "allLogs"
  }
}

resource "azurerm_nat_gateway" "main" {
  count                   = var.egress == "nat" ? 1 : 0
  name                    = "ng-${local.base_name}"
  resource_group_name     = data.azurerm_resource_group.main.name
  location                = var.location
  tags                    = local.tags
  sku_name                = "Standard"
  idle_timeout_in_minutes = 4
}

resource "azurerm_nat_gateway_public_ip_association" "main" {
  count                = var.egress == "nat" ? 1 : 0
  nat_gateway_id       = azurerm_nat_gateway.main[0].id
  public_ip_address_id = azurerm_public_ip.nat[0].id
}

resource "azurerm_subnet_nat_gateway_association" "main" {
  for_each       = { for name, subnet in local.machine_subnets : name => subnet if var.egress == "nat" }
  subnet_id      = azurerm_subnet.main[each.key].id
  nat_gateway_id = azurerm_nat_gateway.main[0].id
}

resource "azurerm_route_table" "main" {
  count               = var.egress == "appliance" ? 1 : 0
  name                = "rt-${local.base_name}"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags

  # A route that a gateway of the hub announces would lead around the firewall.
  bgp_route_propagation_enabled = false

  route {
    name                   = "default"
    address_prefix         = "0.0.0.0/0"
    next_hop_type          = "VirtualAppliance"
    next_hop_in_ip_address = var.appliance_address
  }
}

resource "azurerm_subnet_route_table_association" "main" {
  for_each       = { for name, subnet in local.machine_subnets : name => subnet if var.egress == "appliance" }
  subnet_id      = azurerm_subnet.main[each.key].id
  route_table_id = azurerm_route_table.main[0].id
}
