"""`attune bench llm`: what suggestions by a language model cost in time of our own."""
