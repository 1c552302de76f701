"""`attune store summarize`: users in a few words."""
