"""What an index can refuse. Each message names the field or file, and the mend."""


class SearchIndexError(Exception):
    """Base of every error that an index raises on purpose."""


class InvalidVectorError(SearchIndexError, ValueError):
    """Vectors of the wrong shape, or with values that are not finite."""


class InvalidQueryError(SearchIndexError, ValueError):
    """A search that asks for nothing."""


class IndexMismatchError(SearchIndexError):
    """The index was written by another model, or in another dimension or layout."""


class IndexLockedError(SearchIndexError):
    """Another process holds the directory of an embedded index."""


class IndexUnavailableError(SearchIndexError):
    """The index server does not answer, refuses, or is too old."""
