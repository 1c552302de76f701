"""`attune eval store`: what the store learns from real users' logs."""
