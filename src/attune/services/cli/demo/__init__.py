"""`attune demo`: the whole main job on real input, in one process."""
