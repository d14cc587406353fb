"""Where chunks are kept and found. `base` says what an index can do; each other module is one kind of it."""
