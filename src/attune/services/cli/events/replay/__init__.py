"""`attune events replay`: the knowledge store built anew."""
