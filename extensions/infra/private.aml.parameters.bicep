
@description('Hosts that images and jobs install from, behind a firewall of Azure, which costs. Empty: neither.')
param packageHosts array = [
  'pypi.org'
  'files.pythonhosted.org'
]
