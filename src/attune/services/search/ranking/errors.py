"""What is wrong with a ranker, its token or its lessons."""


class RankerError(Exception):
    """One sentence: what is wrong, and the mend."""
