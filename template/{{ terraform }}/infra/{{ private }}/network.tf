# The private network: its subnets, what may come in and go out, and the way to a hub. network.json holds the addresses, a block
# an environment, the same file for every infrastructure language.

locals {
  network = jsondecode(file("${path.module}/network.json"))[var.environment]

  # Agents of CI and other machines of yours go into `agents`. `machines` may need a way out, private endpoints do not.
  common_subnets = {
    agents            = { range = local.network.subnets.agents, machines = true, delegations = [], rules = local.closed }
    private-endpoints = { range = local.network.subnets.privateEndpoints, machines = false, delegations = [], rules = local.closed }
  }
  subnets         = merge(local.common_subnets, local.platform_subnets)
  machine_subnets = { for name, subnet in local.subnets : name => subnet if subnet.machines }

  # Azure would refuse strangers by itself; written down, the refusal survives a rule that is added later with a higher number.
  closed = [{
    name        = "DenyInternetInBound"
    priority    = 4000
    direction   = "Inbound"
    access      = "Deny"
    protocol    = "*"
    port        = "*"
    source      = "Internet"
    destination = "*"
  }]
}

resource "azurerm_virtual_network" "main" {
  name                = "vnet-${local.base_name}"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags
  address_space       = local.network.addressPrefixes
}

resource "azurerm_monitor_diagnostic_setting" "network" {
  name                       = "all"
  target_resource_id         = azurerm_virtual_network.main.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "allLogs"
  }
}

resource "azurerm_network_security_group" "main" {
  for_each            = local.subnets
  name                = "nsg-${local.base_name}-${each.key}"
  resource_group_name = data.azurerm_resource_group.main.name
  location            = var.location
  tags                = local.tags

  dynamic "security_rule" {
    for_each = each.value.rules

    content {
      name                       = security_rule.value.name
      priority                   = security_rule.value.priority
      direction                  = security_rule.value.direction
      access                     = security_rule.value.access
      protocol                   = security_rule.value.protocol
      source_address_prefix      = security_rule.value.source
      source_port_range          = "*"
      destination_address_prefix = security_rule.value.destination
      destination_port_range     = security_rule.value.port
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "subnets" {
  for_each                   = local.subnets
  name                       = "all"
  target_resource_id         = azurerm_network_security_group.main[each.key].id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category_group = "allLogs"
  }
}

# The group's rules count for private endpoints too, which Azure leaves out unless it is told.
resource "azurerm_subnet" "main" {
  for_each                          = local.subnets
  name                              = each.key
  resource_group_name               = data.azurerm_resource_group.main.name
  virtual_network_name              = azurerm_virtual_network.main.name
  address_prefixes                  = [each.value.range]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = each.value.machines ? "Disabled" : "Enabled"

  dynamic "delegation" {
    for_each = each.value.delegations

    content {
      name = delegation.value.name

      service_delegation {
        name = delegation.value.service
        actions = [
          "Microsoft.Network/virtualNetworks/subnets/join/action",
          "Microsoft.Network/virtualNetworks/subnets/prepareNetworkPolicies/action",
          "Microsoft.Network/virtualNetworks/subnets/unprepareNetworkPolicies/action",
        ]
      }
    }
  }
}

resource "azurerm_subnet_network_security_group_association" "main" {
  for_each                  = local.subnets
  subnet_id                 = azurerm_subnet.main[each.key].id
  network_security_group_id = azurerm_network_security_group.main[each.key].id
}

# Our half of the way to a hub; the hub's owner makes the other.
resource "azurerm_virtual_network_peering" "hub" {
  count                        = var.hub_network_id != "" ? 1 : 0
  name                         = "peer-hub"
  resource_group_name          = data.azurerm_resource_group.main.name
  virtual_network_name         = azurerm_virtual_network.main.name
  remote_virtual_network_id    = var.hub_network_id
  allow_virtual_network_access = true
  allow_forwarded_traffic      = true
  allow_gateway_transit        = false
  use_remote_gateways          = var.hub_gateway # the way to what lies behind the hub's VPN or ExpressRoute
}
