"""Floor 1: what is sealed, and the keys - suites, sealed values, case keys, the key ring, blind indexes and signatures."""
