"""The load generator: what arrives when, and what became of it."""
