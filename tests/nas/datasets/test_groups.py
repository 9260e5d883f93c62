"""Groups that names show, and names that show none."""

from __future__ import annotations

import pytest

from nas.datasets.groups import group_column, groups_in_names


@pytest.mark.parametrize(
    ("names", "kind", "values"),
    [
        (["0a7c2a8d_nohash_0", "bird_0a7c2a8d_nohash_1.wav", "2aca1e72_nohash_0"], "speaker", ("0a7c2a8d", "0a7c2a8d", "2aca1e72")),
        (["user01_exp01", "user01_exp02", "user02_exp03"], "user", ("01", "01", "02")),
        (["Subject-7 run 1", "Subject-8 run 1", "subject-7 run 2"], "subject", ("7", "8", "7")),
        (["s1/a", "s1/b", "s2/a"], "sub-folder", ("s1", "s1", "s2")),
        (["rec3 part1", "rec3 part2", "rec4 part1"], "rec", ("3", "3", "4")),
    ],
)
def test_groups(names: list[str], kind: str, values: tuple[str, ...]) -> None:
    found = groups_in_names(names, ["a", "b", "a"])
    assert found is not None
    assert (found.kind, found.values) == (kind, values)


def test_a_part_of_the_name_that_returns_in_every_class() -> None:
    names = [f"{digit}_{who}_{i}" for digit in range(3) for who in ("ann", "bob") for i in range(4)]
    labels = [name[0] for name in names]
    found = groups_in_names(names, labels)
    assert found is not None
    assert found.values == tuple(name.split("_")[1] for name in names)


@pytest.mark.parametrize(
    "names",
    [
        ["0001", "0002", "0003", "0004"],
        ["airbus_s_000217", "airbus_s_000231", "cat_s_000021", "tabby_s_000217"],
        ["img_1", "img_2", "img_1", "img_2"],
        ["user1", "cat", "dog", "cow"],
    ],
)
def test_no_groups(names: list[str]) -> None:
    assert groups_in_names(names, ["a", "a", "b", "b"]) is None


def test_columns() -> None:
    assert [group_column(name) for name in ("subject", "Speaker_ID", "patient nr", "file")] == [
        "subject",
        "speaker",
        "patient",
        "file",
    ]
    assert [group_column(name) for name in ("x", "acc_x", "fs_hz", "user score", "profile")] == [None] * 5
