"""Floor 0: clock, ids, errors, canonical bytes, the database and the unit of work."""
