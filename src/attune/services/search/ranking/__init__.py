"""The learned ranker of search: named features, weights in a file, and how they are learned from the log."""
