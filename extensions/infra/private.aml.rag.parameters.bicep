param workspaceName string
@description('Object id of the own identity of the workspace, which joins the services to its managed network.')
param workspacePrincipalId string
