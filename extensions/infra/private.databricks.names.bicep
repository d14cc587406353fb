  workspaceStorageAccount: 'dbst${workload}${code}${hash}'
