"""Token-aware query vectors: a query's vector, changed by its tokens, for an index that stays as it is."""
