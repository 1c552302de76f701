"""The ranker that needs no language model: candidates, what is seen of them, learned weights, and variety."""
