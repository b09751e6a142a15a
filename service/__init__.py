"""Floor 6: the doors - HTTP, command line, migrations - and the wiring that puts the rooms together."""
