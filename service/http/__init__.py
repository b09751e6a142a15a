"""The HTTP door: parses, calls one act, answers."""
