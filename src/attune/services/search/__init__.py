"""The search service: hybrid retrieval, personal ranking with explanations, feedback."""
