"""Archives of classes in every layout, with clutter, by choice, and in few passes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.archives.index import INDEX_SCHEMA
from pipeline.archives.tar import Member
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveRefused, CountMismatch
from pipeline.sources.ilsvrc2012 import class_members as classmembers
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import expectation
from pipeline.sources.ilsvrc2012.members import archive_rows, check_first, passed_over
from pipeline.sources.ilsvrc2012.rows import build_catalog
from pipeline.storage.clutter import PassedOver

IMAGES = {"n01": ["n01_3.JPEG"], "n02": ["n02_10.JPEG", "n02_7.JPEG"]}
TRAIN = SplitConfig("train", "train.tar", "train", "class-tars", 2, counts="labels:images")


@pytest.fixture
def table(tmp_path: Path) -> LabelTable:
    """Three classes, the last without an image."""
    path = tmp_path / "table.tsv"
    path.write_text("wnid\timages\twords\nn01\t1\ttench\nn02\t2\tgoldfish\nn03\t0\tshark\n")
    return labels.load_table(path)


def index(members: list[tuple[str, str]]) -> pa.Table:
    """Members by container and name, one after another."""
    rows = [
        Member(container, name, 512 * place, 100, "directory" if name.endswith("/") else "file")
        for place, (container, name) in enumerate(members, 1)
    ]
    return pa.Table.from_pylist([row._asdict() for row in rows], INDEX_SCHEMA)


def keys(
    parts: list[pa.Table], table: LabelTable, classes: tuple[str, ...] | None = None
) -> list[str]:
    expected = expectation(TRAIN, table, classes)
    rows = archive_rows(parts, TRAIN, table, expected, classes)
    built = pa.concat_tables(build_catalog(rows, TRAIN, table, expected, classes))
    listed: list[str] = built["key"].to_pylist()
    return listed


def tars(folder: str = "", inside: str = "") -> list[tuple[str, str]]:
    """Class tars in a folder of the archive, their images in a folder of each."""
    found = []
    for wnid, names in IMAGES.items():
        tar = f"{folder}{wnid}.tar"
        found += [("", tar), *((tar, f"{inside.format(wnid)}{name}") for name in names)]
    return found


def folders(start: str) -> list[tuple[str, str]]:
    return [("", f"{start}{wnid}/{name}") for wnid, names in IMAGES.items() for name in names]


@pytest.mark.parametrize(
    "members",
    [
        tars("winter21_whole/"),
        tars("./a/b/"),
        tars(inside="{}/"),
        tars(inside="./data/train/{}/"),
        tars("x/", "{}/"),
        folders("train/"),
        folders(""),
        folders("./ILSVRC/Data/CLS-LOC/train/"),
        [*tars()[:2], *folders("")[1:]],
        [("", "train/"), ("", "train/n01/"), *folders("train/")],
        [*tars(), ("", "n03.tar")],
    ],
)
def test_every_layout_gives_the_same_images(
    members: list[tuple[str, str]], table: LabelTable
) -> None:
    wanted = ["n01/n01_3.JPEG", "n02/n02_10.JPEG", "n02/n02_7.JPEG"]
    for order in (members, list(reversed(members))):
        for cut in range(len(order)):
            assert keys([index(order[:cut]), index(order[cut:])], table) == wanted


def test_clutter_is_passed_over_and_counted(table: LabelTable) -> None:
    clean = tars()
    littered = [
        ("", "._n01.tar"),
        ("", "__MACOSX/"),
        ("", "__MACOSX/._n01.tar"),
        *clean,
        ("n01.tar", "._n01_3.JPEG"),
        ("n02.tar", "PaxHeader/n02_7.JPEG"),
        ("n02.tar", "n02_7.JPEG:Zone.Identifier"),
    ]
    assert keys([index(littered)], table) == keys([index(clean)], table)
    assert passed_over([index(clean)]) == PassedOver()
    found = passed_over([index(littered[:2]), index(littered[2:])])
    names = ("._n01.tar", "__MACOSX/._n01.tar", "n01.tar > ._n01_3.JPEG")
    assert found == PassedOver(5, names)


def test_what_was_not_chosen_is_not_looked_at(table: LabelTable) -> None:
    others = [("", "n04.tar"), ("n04.tar", "a/b/c"), ("", "n05/x.JPEG"), ("n02.tar", "../x")]
    members = [index([*tars(), *others])]
    assert keys(members, table, ("n01",)) == ["n01/n01_3.JPEG"]
    for classes in (None, ("n02",)):
        with pytest.raises(ArchiveRefused, match="does not belong there"):
            keys(members, table, classes)


def test_a_class_tar_without_a_byte_is_refused_unless_the_class_has_no_image(
    table: LabelTable,
) -> None:
    def archive(wnid: str) -> list[pa.Table]:
        empty = Member("", f"x/{wnid}.tar", 99, 0, "file")
        others = [each for each in tars() if wnid not in each[1] and wnid not in each[0]]
        return [pa.Table.from_pylist([empty._asdict()], INDEX_SCHEMA), index(others)]

    assert len(keys(archive("n03"), table)) == 3
    assert keys(archive("n01"), table, ("n02",)) == ["n02/n02_10.JPEG", "n02/n02_7.JPEG"]
    with pytest.raises(ArchiveRefused, match="a class tar without a byte") as refusal:
        keys(archive("n01"), table)
    assert (refusal.value.place, refusal.value.expected) == ("member n01.tar", "a tar of 1 image")


def test_a_count_that_is_wrong_names_the_files_that_are_not_like_the_others(
    table: LabelTable,
) -> None:
    members = [*tars(), ("n02.tar", "n02_7 (1).JPEG")]
    with pytest.raises(CountMismatch) as refusal:
        keys([index(members)], table)
    assert "n02 3 of 2 (not named like the others: n02_7 (1).JPEG)" in str(refusal.value.found)
    with pytest.raises(CountMismatch) as refusal:
        keys([index(tars()[:2])], table)
    remedy = str(refusal.value.remedy)
    assert "only the classes that are there are wanted, 1 of 2, name them in" in remedy
    assert "another download would be no different" in remedy
    assert keys([index(tars()[:2])], table, ("n01",)) == ["n01/n01_3.JPEG"]


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("n01.tar", True),
        ("winter21_whole/n02.tar", True),
        ("train/n01/x.JPEG", True),
        ("ILSVRC2012_val_00000001.JPEG", False),
        ("winter21/n99.tar", False),
        ("n01.tar.gz", False),
    ],
)
def test_the_first_member_tells_whether_the_layout_fits(
    table: LabelTable, name: str, fits: bool
) -> None:
    member, expected = Member("", name, 512, 10, "file"), expectation(TRAIN, table, None)
    if fits:
        check_first(member, TRAIN, table, expected, None)
        return
    with pytest.raises(ArchiveRefused, match="does not belong there") as refusal:
        check_first(member, TRAIN, table, expected, None)
    assert "--tree" in str(refusal.value.remedy)


class CountedParts:
    """An index that counts how often each part is read."""

    def __init__(self, parts: list[pa.Table]) -> None:
        self.parts, self.reads = parts, Counter[int]()

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, part: int) -> pa.Table:
        self.reads[part] += 1
        return self.parts[part]


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_many_classes_are_taken_together_in_few_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(classmembers, "_BATCH", 100)
    count, parts = 2000, 20
    wnids = [f"n{number:05d}" for number in range(count)]
    path = tmp_path / "many.tsv"
    path.write_text("wnid\timages\twords\n" + "".join(f"{wnid}\t1\tx\n" for wnid in wnids))
    table = labels.load_table(path)
    if order == "shuffled":
        np.random.default_rng(0).shuffle(wnids)
    members = [each for wnid in wnids for each in (("", f"{wnid}.tar"), (f"{wnid}.tar", "1.JPEG"))]
    whole, size = index(members), 2 * count // parts
    counted = CountedParts([whole.slice(part * size, size) for part in range(parts)])
    rows = list(archive_rows(counted, TRAIN, table, expectation(TRAIN, table, None)))
    assert sum(part.num_rows for part in rows) == count
    assert counted.reads.total() <= parts * (1 + classmembers._READS + 1)
    assert len(rows) <= 2 * count / 100
    found = [key for part in rows for key in part.sort_by("key")["key"].to_pylist()]
    assert found == sorted(found)
