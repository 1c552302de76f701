"""Boosts: formulas over fields of documents, declared in a file, that add to the score for everybody alike."""
