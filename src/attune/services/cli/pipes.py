"""A reader that has read enough (`attune ... | head`) ends a command quietly."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

_SIGPIPE_STATUS = 141  # what a shell shows of a program that the signal ends


class QuietGroup(TyperGroup):
    """The commands, and their help, for which a closed pipe is no error."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read the arguments, and perhaps print the help."""
        with _unread_output_is_no_error():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _unread_output_is_no_error():
            return super().invoke(ctx)


@contextmanager
def _unread_output_is_no_error() -> Iterator[None]:
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here rather than at the interpreter's end, which would print a traceback
    except (BrokenPipeError, SystemExit):  # the latter is how rich tells the former; nothing else here raises it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer has no reader
        raise typer.Exit(_SIGPIPE_STATUS) from None
