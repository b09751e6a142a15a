"""The command line: founding, serving, the log, imports, keys; the demonstration and the tour."""
