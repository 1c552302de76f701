"""Training of experts. Needs the extra `train`; nothing that serves imports it."""
