    sku: registrySku
