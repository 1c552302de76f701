"""Who may call what: credentials, scopes, quotas, and what protects them on the way."""
