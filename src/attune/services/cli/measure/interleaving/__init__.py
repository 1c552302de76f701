"""`attune eval interleaving`: which of two rankings users preferred."""
