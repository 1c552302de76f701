"""Words that are called so in any text, whatever else they name (common_words.txt)."""

from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """The common English words, in lower case."""
    return frozenset(files("attune.knowledge_store").joinpath("common_words.txt").read_text("utf-8").split())
