
registry_sku = "{{ registry_sku }}"
