"""`attune eval` and `attune bench`: every claim of quality or speed comes from one of these."""
