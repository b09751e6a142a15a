"""Pure rules: who may see and do what, what a record is, how values are masked. The rulebook as data; no storage, no web, no keys."""
