"""Lists of labels beside a flat archive: which is taken, and why the others are not."""

from __future__ import annotations

from pathlib import Path

from pipeline.sources.ilsvrc2012.describing import label_lists
from pipeline.sources.ilsvrc2012.describing.label_lists import LabelList

GOOD = LabelList("val.txt", ("ant", "bee", "ant"))


def choose(*lists: LabelList, alone: bool = True) -> tuple[LabelList | None, list[str]]:
    classes = frozenset({"ant"})
    return label_lists.choose(lists, "validation", "img_val.tar", 3, classes, alone=alone)


def test_the_list_that_is_called_as_the_split_is_taken() -> None:
    assert choose(LabelList("train.txt", ("ant",) * 3), GOOD) == (GOOD, [])


def test_a_list_called_labels_is_taken_where_there_is_one_split_for_it() -> None:
    labels = LabelList("labels.txt", GOOD.lines)
    assert choose(labels) == (labels, [])
    assert choose(labels, alone=False) == (None, [])


def test_what_is_no_list_of_labels_is_named_with_the_reason() -> None:
    blacklist = LabelList("val_blacklist.txt", ("2",))
    empty_line = LabelList("val_1.txt", ("ant", "", "bee"))
    numbers = LabelList("val_2.txt", ("1", "2", "3"))
    chosen, said = choose(blacklist, empty_line, numbers, GOOD)
    assert chosen == GOOD
    assert said == [
        "val_blacklist.txt is no list of the labels of validation: 1 line, fewer than the number"
        " of the last image, 3",
        "val_1.txt is no list of the labels of validation: not a class on each line",
        "val_2.txt is no list of the labels of validation: none of its lines names a class of the"
        " other splits",
    ]


def test_of_several_lists_none_is_taken() -> None:
    chosen, said = choose(GOOD, LabelList("val_2.txt", GOOD.lines))
    assert chosen is None
    assert said == [
        "several lists could be the labels of validation, none is taken: val.txt, val_2.txt"
    ]


def test_files_are_read_as_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffant\r\nbee\r\n".encode())
    (tmp_path / "b.txt").write_bytes(b"\xff")
    (tmp_path / "c.txt").touch()
    paths = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt", "d.txt")]
    assert label_lists.read(paths) == [LabelList("a.txt", ("ant", "bee"))]
