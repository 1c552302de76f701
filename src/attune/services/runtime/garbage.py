"""Python's garbage collector in a server."""

import gc

_COLLECTED_AFTER = 20_000
"""So many objects more than there were: some megabytes, if all were garbage. A search makes thousands, nearly all of
which are freed without being looked for; after 700, which is Python's default, it is interrupted several times.
"""
_OLDER_AFTER = 10
"""So often the youngest are looked through before those that stayed are, too: as is usual."""


def leave_start_out_of_collections() -> None:
    """Look no more through the objects that there are now, which stay to the end, when garbage is collected; and less
    often for it.

    A full collection looks through them all: tens of milliseconds, in which the event loop answers nobody. To be called
    once everything is loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER, _OLDER_AFTER, _OLDER_AFTER)


def leave_reload_out_of_collections() -> None:
    """The same for what took the place of something that was there at the start, which would else never be freed.

    Does nothing in a process that leaves nothing out.
    """
    if gc.get_freeze_count():
        gc.unfreeze()
        leave_start_out_of_collections()
