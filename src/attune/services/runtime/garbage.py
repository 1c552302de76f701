"""Python's garbage collector in a server."""

import gc


def leave_start_out_of_collections() -> None:
    """Look no more through the objects that there are now, which stay to the end, when garbage is collected.

    A full collection looks through them all: tens of milliseconds, in which the event loop answers nobody. To be called
    once everything is loaded.
    """
    gc.collect()
    gc.freeze()


def leave_reload_out_of_collections() -> None:
    """The same for what took the place of something that was there at the start, which would else never be freed.

    Does nothing in a process that leaves nothing out.
    """
    if gc.get_freeze_count():
        gc.unfreeze()
        leave_start_out_of_collections()
