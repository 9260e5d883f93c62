import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.units import format_count, format_duration, format_size, parse_count, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("256KB", 262144),
        ("10.8KB", 11059),
        ("64KiB", 65536),
        ("1MB", 2**20),
        ("4096", 4096),
        ("12 kb", 12288),
        (".5KB", 512),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1KB", "0.5", "12XB", "KB", "1e3", "1,5KB", "0.0001KB", "inf", "nan", "٣KB", "1KB 2KB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="KB"):
        parse_size(text)


@pytest.mark.parametrize(("text", "seconds"), [("50ms", 0.05), ("2s", 2.0), ("300us", 0.0003), ("10m", 600.0), ("1.5h", 5400.0)])
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize("text", ["50", "0ms", "-1s", "ms", "5 parsecs", "1S"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="50ms"):
        parse_duration(text)


def test_counts() -> None:
    assert (parse_count("2.7M"), parse_count("300k"), parse_count("12")) == (2_700_000, 300_000, 12)
    with pytest.raises(ValueError, match=r"2\.7M"):
        parse_count("0")


@given(st.integers(1, 2**40))
def test_plain_bytes_are_read_as_they_are(size: int) -> None:
    assert parse_size(str(size)) == size


@given(st.integers(1, 2**30))
def test_a_written_size_reads_back_within_its_rounding(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.06)


def test_what_people_read() -> None:
    assert [format_size(n) for n in (812, 11059, 2**21)] == ["812 B", "10.8 KB", "2.00 MB"]
    assert [format_duration(s) for s in (0.0003, 0.05, 2, 42, 125, 7260)] == [
        "300 µs",
        "50 ms",
        "2.0 s",
        "42 s",
        "2 min 5 s",
        "2 h 1 min",
    ]
    assert [format_count(n) for n in (12, 2500, 2_700_000)] == ["12", "2.5 k", "2.70 M"]
