"""How far a ranking leans on what the user was just asking about, and on what the user cares about."""
