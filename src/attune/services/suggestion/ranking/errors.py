"""What is wrong with a ranker's file or the data to learn it from."""


class RankerError(Exception):
    """The message names the file and the field, and how to mend it."""
