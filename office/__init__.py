"""Floor 4: people, units, posts, accounts and clients - the acts of those who run the office, each decided, done and on record in one."""
