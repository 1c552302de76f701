"""Commands that are imported when they are asked for: `attune up` has no use for all that trains and measures."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, TypeAlias

import typer
from typer.main import get_command, get_group

from attune.services.cli.pipes import QuietGroup

Place: TypeAlias = str | typer.Typer
"""A group of commands, or where a group or a command is to be imported from: `module:name`."""


def deferred(places: Mapping[str, Place]) -> type[QuietGroup]:
    """The class of a group that has these commands, by name, in that order."""

    class Group(QuietGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands: Any = _Commands(places)

    return Group


class _Commands(Mapping[str, Any]):
    """Commands by name, each made at the first look at it."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _made(name, self._places[name])
        return self._made[name]

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping, but a `KeyError` within an import is told."""
        return self[name] if name in self else default  # noqa: SIM401 - which would ask this method

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _made(name: str, place: Place) -> Any:
    found: Any = place
    if isinstance(place, str):
        module, _, attribute = place.partition(":")
        found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)
