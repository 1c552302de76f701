"""The knowledge service: what each user knows, cares about, or has left behind."""
