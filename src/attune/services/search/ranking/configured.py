"""The rankings that a service is configured with, and what it compares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attune.services.runtime.config import Config, ConfigError
from attune.services.search.comparing.plan import Comparison
from attune.services.search.ranking.errors import RankerError
from attune.services.search.ranking.model import SearchRanker
from attune.services.search.ranking.rankings import (
    CHALLENGER,
    KNOWN,
    LEARNED,
    PERSONAL,
    PLAIN,
    Formula,
    Learned,
    Ranking,
)
from attune.services.search.ranking.token import Method

_METHODS = {"interleaving": Method.INTERLEAVING, "users": Method.USERS}
_SETTINGS = {LEARNED: "ATTUNE_SEARCH_RANKER_PATH", CHALLENGER: "ATTUNE_SEARCH_CHALLENGER_PATH"}


def _formulas() -> dict[str, Ranking]:
    return {name: Formula(name) for name in (PLAIN, PERSONAL)}


@dataclass(frozen=True, slots=True)
class Rankings:
    """By name, with the one that ranks unless something else is said."""

    by_name: Mapping[str, Ranking] = field(default_factory=_formulas)
    default: str = PERSONAL
    comparison: Comparison | None = None

    def problem(self, name: str) -> str:
        """Why a ranking cannot be had, and the mend; empty where it can."""
        if name in self.by_name:
            return ""
        return (
            f"there is no ranking {name} here: name a file of `attune train ranker --for search` in {_SETTINGS[name]}"
        )


def configured_rankings(config: Config) -> Rankings:
    """Raises ConfigError where a file cannot be used, or what is to be compared is not there."""
    by_name = _formulas()
    for name, path in ((LEARNED, config.search_ranker_path), (CHALLENGER, config.search_challenger_path)):
        if path is not None:
            by_name[name] = Learned(_ranker(path, name))
    rankings = Rankings(by_name, LEARNED if LEARNED in by_name else PERSONAL)
    return Rankings(rankings.by_name, rankings.default, _comparison(config, rankings))


def _ranker(path: Path, name: str) -> SearchRanker:
    try:
        return SearchRanker.load(path)
    except RankerError as error:
        raise ConfigError(f"{_SETTINGS[name]}: {error}") from None


def _comparison(config: Config, rankings: Rankings) -> Comparison | None:
    if not config.search_compare:
        return None
    names = [name.strip() for name in config.search_compare.split(",")]
    if len(names) != 2 or len(set(names)) != 2 or not set(names) <= set(KNOWN):
        known = ", ".join(KNOWN)
        raise ConfigError(f"ATTUNE_SEARCH_COMPARE: is not two of {known}; write for example personal,plain")
    problem = next((found for name in names if (found := rankings.problem(name))), "")
    if problem:
        raise ConfigError(f"ATTUNE_SEARCH_COMPARE: {problem}")
    first, second = names
    return Comparison(first, second, _METHODS[config.search_compare_by], config.search_compare_share)
