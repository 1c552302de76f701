"""What the ingest worker is measured and tried with."""
