param sku string
