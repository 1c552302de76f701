"""Who writes suggestions, by the names that people write."""

from attune.suggestion.v1 import suggestion_pb2 as suggestion

_NAMES = {
    "": suggestion.SUGGESTION_PATH_UNSPECIFIED,
    "ranker": suggestion.SUGGESTION_PATH_RANKER,
    "llm": suggestion.SUGGESTION_PATH_LLM,
}


def path_number(name: str) -> suggestion.SuggestionPath.ValueType:
    """Of "ranker" or "llm"; the empty one leaves it to the service. Raises ValueError."""
    if name not in _NAMES:
        raise ValueError(f"path {name!r} is unknown: use one of {', '.join(filter(None, _NAMES))}")
    return _NAMES[name]


def path_name(number: suggestion.SuggestionPath.ValueType) -> str:
    """As it is written; empty for one that is not told, or not known to this client."""
    return next((name for name, each in _NAMES.items() if each == number), "")
