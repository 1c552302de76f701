"""The four services and the ingest worker: thin adapters between gRPC and the libraries."""
