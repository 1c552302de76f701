"""`attune train`: what learns from your own texts."""
