
  image_build_compute_name = "cpu-cluster" # Azure's own builders cannot reach a private registry

  # Azure keeps the network of machines, with an endpoint of its own to storage, vault and registry. It cannot be loosened again.
  managed_network {
    isolation_mode                = "AllowOnlyApprovedOutbound"
    provision_on_creation_enabled = true
  }
