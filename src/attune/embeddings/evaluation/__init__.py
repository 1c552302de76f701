"""Measures of embeddings' quality, and how sure they are."""
