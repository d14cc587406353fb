  # Nodes of serverless compute have no fixed address and are not a trusted service, so an open endpoint that admits
  # identities only is what lets jobs read their data without a private network.
