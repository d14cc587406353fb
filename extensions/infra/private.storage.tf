  # Who comes in over a private endpoint passes no firewall; Azure's trusted services pass it by their identity.
