import gc

from attune.services.runtime.garbage import leave_start_out_of_collections


def test_what_there_is_at_the_start_is_not_looked_through_again():
    before = len(gc.get_objects())
    try:
        leave_start_out_of_collections()
        assert gc.get_freeze_count() > before / 2
        assert len(gc.get_objects()) < before / 2
    finally:
        gc.unfreeze()


def test_what_comes_later_is_collected():
    try:
        leave_start_out_of_collections()
        ring: list[object] = []
        ring.append(ring)
        del ring
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
