"""The boosts that a file declares, and those of them that a request chooses."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.config import ConfigError
from attune.services.runtime.errors import invalid
from attune.services.search.boosts.formulas import Formula
from attune.services.search.index.fields import NO_FIELDS, DeclaredFields

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
_MOST = 32


class _File(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    boosts: Annotated[dict[Name, Annotated[Formula, Field(discriminator="kind")]], Field(max_length=_MOST)]


@dataclass(frozen=True, slots=True)
class Boost:
    """A formula, by its name."""

    name: str
    formula: Formula
    is_asked_for: bool = False
    """By the request, rather than by default."""


@dataclass(frozen=True, slots=True)
class DeclaredBoosts:
    """The formulas by name, in the order of the file."""

    formulas: Mapping[str, Formula] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None, fields: DeclaredFields = NO_FIELDS) -> Self:
        """What a file declares; without one, nothing. `fields` are those that documents are filtered by.

        Raises:
            ConfigError: it cannot be read, or declares what is no boost, or one by a field of another type; the message
                names the entry and the mend.
        """
        if path is None:
            return cls()
        try:
            content = json.loads(path.read_bytes(), object_pairs_hook=_without_repetition)
            formulas = _File.model_validate(content).boosts
        except OSError as error:
            mend = "give ATTUNE_SEARCH_BOOSTS_PATH a file that can be read, or leave it empty"
            raise ConfigError(f"{path} cannot be read ({error.strerror}): {mend}") from error
        except ValidationError as error:
            raise ConfigError(f"{path}: {_problem(error)}") from None
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON that can be read ({error}): mend it") from None
        for name, formula in formulas.items():
            kind = fields.types.get(formula.field, formula.of_type)
            if kind is not formula.of_type:
                told = f"boosts.{name}.field: {formula.field} is a {kind} field by ATTUNE_SEARCH_FIELDS"
                raise ConfigError(f"{path}: {told}, and this boost needs {formula.needs}: name another field")
        return cls(formulas)

    def chosen(self, choices: Iterable[pb.Boost]) -> tuple[Boost, ...]:
        """Those that count in a search: the default ones and those chosen, with their weights; not those of weight 0.

        Raises:
            ServiceError: INVALID_ARGUMENT for a name that is not declared, or chosen twice.
        """
        weights: dict[str, float | None] = {}
        for place, choice in enumerate(choices):
            name = f"boosts[{place}].name"
            if choice.name not in self.formulas:
                raise invalid(name, f"no boost {choice.name!r} is declared: {self._known()}")
            if choice.name in weights:
                raise invalid(name, f"{choice.name!r} is there twice: name it once")
            weights[choice.name] = choice.weight if choice.HasField("weight") else None
        found = [
            Boost(name, _weighing(formula, weights.get(name)), name in weights)
            for name, formula in self.formulas.items()
            if formula.default or name in weights
        ]
        return tuple(each for each in found if each.formula.weight)

    def _known(self) -> str:
        if not self.formulas:
            return "declare it in the file of ATTUNE_SEARCH_BOOSTS_PATH, or leave it out"
        return f"choose of {', '.join(self.formulas)}, or declare it in the file of ATTUNE_SEARCH_BOOSTS_PATH"


def _weighing(formula: Formula, weight: float | None) -> Formula:
    return formula if weight is None else formula.model_copy(update={"weight": weight})


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name come twice, and the first one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _problem(error: ValidationError) -> str:
    """The first thing that is wrong: where, what, and what is possible there."""
    first = error.errors(include_url=False, include_context=False)[0]
    kinds = ("recency", "number", "keyword")
    place = ".".join(str(each) for each in first["loc"] if each not in kinds and each != "[key]")
    more = len(error.errors()) - 1
    others = f" (and {more} more)" if more else ""
    return f"{place or 'the file'}: {first['msg'].lower()}: see docs/search.md for what a boost declares{others}"
