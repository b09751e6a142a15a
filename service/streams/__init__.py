"""Streams: published entries of the log sent to other systems as they come, each at least once and in order."""
