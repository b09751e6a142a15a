"""Client of a petition archive: deposits closed cases over HTTP and checks the receipts against the log."""
