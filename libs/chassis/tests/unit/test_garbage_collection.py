"""What requests leave behind is found before it is much."""

import gc
from collections.abc import Iterator

import pytest

from pulse_chassis.garbage_collection import OF_REQUESTS, collect_rarely


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def left_by_requests(count: int) -> int:
    """Return how many objects the process holds at most while requests leave cycles of fifty objects each."""
    most = 0
    for _ in range(count):
        ring: list[object] = [[] for _ in range(50)]
        ring.append(ring)
        del ring
        most = max(most, gc.get_count()[0])
    return most


def test_cycles_of_requests_never_add_up_to_more_than_a_few_thousand_objects() -> None:
    collect_rarely(OF_REQUESTS)
    assert left_by_requests(2_000) <= OF_REQUESTS + 100


def test_a_process_that_moves_many_small_objects_looks_ten_times_as_rarely() -> None:
    collect_rarely()
    assert left_by_requests(500) > OF_REQUESTS
