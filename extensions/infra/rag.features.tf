
    # To purge an account takes rights in the subscription, which the deployer has not.
    cognitive_account {
      purge_soft_delete_on_destroy = false
    }
