"""What a server's process does once it has started all that it serves."""

from threadpoolctl import ThreadpoolController

from attune.services.runtime.garbage import leave_start_out_of_collections


def settle() -> None:
    """Leave the start out of garbage collections, and numpy's products to the threads that ask for them."""
    leave_start_out_of_collections()
    _compute_products_alone()


def _compute_products_alone() -> None:
    """OpenBLAS divides even small products between threads of its own, which then wait for the next one at full speed:
    a search that compares 264 vectors took 40 ms of CPU time more for it, on two cores. Requests share cores better.
    """
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)
