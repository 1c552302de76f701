"""`attune eval suggestion-llm`: a language model as writer of the next query, and as judge of candidates for it."""
