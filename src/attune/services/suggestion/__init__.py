"""The suggestion service: the next query for this user, by a language model or by a ranker that needs none."""
