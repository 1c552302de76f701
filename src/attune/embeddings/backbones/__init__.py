"""The families of encoders: for each, how its `config.json` reads and what its checkpoint calls its tensors."""
