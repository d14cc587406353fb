
@description('Hosts that images and jobs install packages from. Each makes a rule of Azure\'s firewall, which costs. Empty: no firewall.')
param packageHosts array = [
  'pypi.org'
  'files.pythonhosted.org'
]
