// Telemetry of jobs and endpoints. It still accepts its connection string, because Azure Machine Learning sends telemetry
// with it; that string can write telemetry and read nothing.
param name string
param location string
param tags object
param logAnalyticsId string

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logAnalyticsId
    IngestionMode: 'LogAnalytics'
  }
}

output name string = applicationInsights.name
