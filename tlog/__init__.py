"""A C2SP transparency log's mathematics and notes: pure, offline, each module readable in one sitting (docs/formats/log.md)."""
