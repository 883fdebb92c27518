"""Names of classes, which are the keys of readers: no two the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.catalog.classes import LabelTable


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("crane", "bee", ""), ("crane", "bee", "c")),
        (("crane", "crane", "bee"), ("crane (a)", "crane (b)", "bee")),
        (("crane", "crane", "crane (a)"), ("crane (a) (a)", "crane (b)", "crane (a) (c)")),
        (("c", "bee", ""), ("c (a)", "bee", "c (c)")),
    ],
)
def test_no_two_classes_have_one_name(words: tuple[str, ...], names: tuple[str, ...]) -> None:
    table = LabelTable(Path("table"), ("a", "b", "c"), words, {})
    assert table.names == names
    assert len({*names}) == len(names)


def test_classes_with_one_id_and_one_name_are_told_apart_by_their_indexes() -> None:
    table = LabelTable(Path("table"), ("n1", "n1", "n2", "n3"), ("cat", "cat", "cat", ""), {})
    assert table.names == ("cat (n1) (#0)", "cat (n1) (#1)", "cat (n2)", "n3")
    odd = LabelTable(Path("table"), ("n", "n", "m"), ("x", "x", "x (n) (#0)"), {})
    assert len({*odd.names}) == len(odd.names)
