
run "unknown_tier_of_the_registry_is_refused" {
  command = plan

  variables {
    registry_sku = "basic"
  }

  expect_failures = [var.registry_sku]
}
