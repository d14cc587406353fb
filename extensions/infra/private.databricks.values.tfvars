
browser_authentication = false
