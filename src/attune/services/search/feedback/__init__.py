"""What a user corrects: where it comes in, how long it holds in the session, and what it does to the next search."""
