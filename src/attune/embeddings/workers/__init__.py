"""The processes that compute: one for each device, so that no answer waits for Python's lock behind a batch."""
