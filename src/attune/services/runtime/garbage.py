"""Python's garbage collector in a server."""

import gc


def leave_start_out_of_collections() -> None:
    """Look no more through the objects that there are now, which stay to the end, when garbage is collected.

    A full collection looks through them all: tens of milliseconds, in which the event loop answers nobody. To be called
    once everything is loaded.
    """
    gc.collect()
    gc.freeze()
