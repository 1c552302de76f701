"""The embedding service: text to vectors over gRPC."""
