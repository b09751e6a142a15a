"""Copies of the published log as files for other systems: written, and held against the log again."""
