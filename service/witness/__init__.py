"""A witness of other archives' logs: a program of its own, for a supervising office. No archive, no database, no archive's keys."""
