"""The rulebook: TOML files and their loader."""
