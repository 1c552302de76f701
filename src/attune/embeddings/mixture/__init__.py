"""A backbone with experts on disk: the manifest, the experts' files, and how they become feed-forward blocks."""
