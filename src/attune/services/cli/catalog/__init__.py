"""`attune catalog`: files of entities, without a running service."""
