"""What each user knows and cares about: catalog, linking, projection, storage, retrieval, privacy. A pure library."""
