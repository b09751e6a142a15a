"""Floor 2: who is asking - principals, people, accounts, sessions and tokens."""
