"""A thinned series has no more points than asked for, all of them readings, and what stands out stays."""

from hypothesis import given
from hypothesis import strategies as st

from pulse_gateway.domain.thinning import Extremes, Thinning, thin, thin_rows, triangles

series = st.lists(st.tuples(st.integers(0, 10**9), st.floats(-1e6, 1e6)), max_size=400, unique_by=lambda p: p[0]).map(
    sorted
)
methods = st.sampled_from(list(Thinning))


def exact(points: list[tuple[int, float]]) -> Extremes:
    values = [value for _, value in points]
    return Extremes([at for at, _ in points], values, values)


@given(series, st.integers(2, 100), methods)
def test_points_are_readings_in_order_and_no_more_than_asked_for(points, wanted: int, method: Thinning) -> None:
    kept = thin(exact(points), wanted, method)
    assert len(kept) <= wanted
    assert set(kept) <= set(points)
    assert [at for at, _ in kept] == sorted(at for at, _ in kept)
    if len(points) <= wanted:
        assert kept == points


@given(series.filter(bool), st.integers(2, 100))
def test_least_and_greatest_value_stay(points, wanted: int) -> None:
    kept = [value for _, value in thin(exact(points), wanted, Thinning.MINMAX)]
    assert (min(kept), max(kept)) == (min(v for _, v in points), max(v for _, v in points))


@given(series, st.integers(1, 60))
def test_lttb_keeps_first_and_last(points, wanted: int) -> None:
    kept = triangles(points, wanted)
    assert len(kept) == min(wanted, len(points))
    if points and wanted > 1:
        assert (kept[0], kept[-1]) == (0, len(points) - 1)


def test_a_spike_of_one_second_in_a_month_is_seen() -> None:
    low = [20.0 + n % 7 for n in range(43_200)]
    high = [value + 1 for value in low]
    high[31_234] = 500.0
    minutes = Extremes([float(n * 60_000_000) for n in range(43_200)], low, high, 60_000_000)
    for method in Thinning:
        kept = thin(minutes, 1000, method)
        assert 500 < len(kept) <= 1000
        assert max(value for _, value in kept) == 500.0


def test_rows_are_thinned_by_their_first_column() -> None:
    rows = [[n, float(n % 10), n] for n in range(1000)] + [[1000, None, 3]]
    kept = thin_rows(rows, 50, Thinning.LTTB)
    assert len(kept) <= 50
    assert all(row in rows for row in kept)
