
@description('True also makes the endpoint through which browsers sign in. One workspace of a region and its DNS has it.')
param browserAuthentication bool = false
