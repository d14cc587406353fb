  // A cluster keeps the rights it starts with, finds its workspace by a private address and lives behind the outbound
  // rules.
