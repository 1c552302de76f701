"""Documents from the log into the index, effectively once: see docs/adr/0027-documents-in-the-log.md."""
