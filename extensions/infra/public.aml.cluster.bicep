  // A cluster keeps the rights it starts with, so it waits for them.
