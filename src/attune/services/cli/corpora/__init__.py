"""Real text to try attune on: Python's own library documentation, and any data set in BEIR layout."""
