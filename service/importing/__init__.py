"""Tabular import: an office's own tables (CSV, XLSX, XLS, NDJSON) turned into deposits by a written mapping. See docs/import.md."""
