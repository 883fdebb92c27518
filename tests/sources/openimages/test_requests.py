"""From the options of a job to what is selected of each split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from annotationcsvs import BEAR, CAT, WAFFLE, Annotations, image

from pipeline.annotations.openimages import classes
from pipeline.documents.openimages import SelectionMark
from pipeline.errors import UsageError
from pipeline.job.selection_options import SelectionOptions
from pipeline.sources.openimages import config, requests
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.selecting.selecting import select
from pipeline.sources.openimages.selecting.selection import CsvFile

ASKED = SelectionOptions(classes=("Bear", "cat"))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a folder of the shipped configuration's small files: those of classes, and CSVs."""
    drawn = Annotations()
    drawn.box(image(1), BEAR)
    drawn.box(image(2), WAFFLE)
    drawn.label(image(3), CAT, 0)
    drawn.mask(image(1), BEAR, "0000000a")
    files = drawn.written(tmp_path / "csv")
    for split in config.load().splits.values():
        for kind, file in files.items():
            published = getattr(split, kind)
            (tmp_path / published.name).write_bytes(Path(str(file.path)).read_bytes())
    version = config.load().version()
    lines = [
        "/m/0catfish,Catfish\r\n",
        f"{BEAR},Bear\r\n",
        f"{WAFFLE},Waffle\r\n",
        f"{CAT},Cat\r\n",
    ]
    (tmp_path / version.classes.name).write_text("".join(lines))
    (tmp_path / version.segmentation_classes.name).write_text(f"{BEAR}\n{CAT}\n")
    return tmp_path


class Located:
    """Says where files are, and notes which ones were asked for."""

    def __init__(self, raw: Path, md5: str = "") -> None:
        self._raw = raw
        self._md5 = md5
        self.asked = set[str]()

    def __call__(self, file: PublishedFile) -> CsvFile:
        self.asked.add(file.name)
        return CsvFile(self._raw / file.name, self._md5 or file.md5 or "0" * 32)


def digests(raw: Path, options: SelectionOptions, seed: int = 0, md5: str = "") -> dict[str, str]:
    found = requests.selections(options, seed, (), config.load(), Located(raw, md5))
    return {split: selection.digest for split, selection in found.items()}


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (ASKED, {"boxes"}),
        (replace(ASKED, masks=True), {"boxes", "masks"}),
        (replace(ASKED, boxes=False, masks=True, by="masks"), {"masks"}),
        (replace(ASKED, boxes=False, by="labels"), {"labels"}),
        (replace(ASKED, negatives=3), {"boxes", "labels"}),
        (replace(ASKED, image_labels=True), {"boxes", "labels"}),
    ],
)
def test_only_the_files_of_a_request_are_asked_for(
    raw: Path, options: SelectionOptions, kinds: set[str]
) -> None:
    located, read = Located(raw), config.load()
    found = requests.selections(options, 0, ("test",), read, located)
    assert set(found) == {"test"}
    assert set(found["test"].files) == set(requests.csv_kinds(options)) == kinds
    names = {getattr(read.split("test"), kind).name for kind in kinds}
    names |= {file.name for file in requests.class_files(options, read.version())}
    assert located.asked == names


def test_every_option_that_chooses_rows_is_in_the_digest(raw: Path) -> None:
    ids = raw / "list.txt"
    ids.write_text(f"test/{image(1)}\n")
    others = [
        replace(ASKED, classes=("Bear",)),
        replace(ASKED, merge_subclasses=False, exclude=("Cat",), classes=("Bear", "Waffle")),
        replace(ASKED, by="masks"),
        replace(ASKED, by="labels"),
        replace(ASKED, masks=True),
        replace(ASKED, image_labels=True),
        replace(ASKED, all_objects=True),
        replace(ASKED, negatives=1),
        replace(ASKED, limit=1),
        replace(ASKED, limit=2),
        replace(ASKED, drop_boxes=("group-of",)),
        replace(ASKED, drop_images=("group-of",)),
        replace(ASKED, ids=str(ids)),
    ]
    every = [digests(raw, options)["test"] for options in (ASKED, *others)]
    every.append(digests(raw, replace(ASKED, limit=1), seed=1)["test"])
    every.append(digests(raw, ASKED, md5="1" * 32)["test"])
    assert len(set(every)) == len(every)


def test_what_chooses_no_row_is_in_no_digest(raw: Path) -> None:
    same = [
        replace(ASKED, classes=(CAT, BEAR)),
        replace(ASKED, tries=3, offline=True, bucket=str(raw), recipe=True, check_pixels=True),
        replace(ASKED, version="v6", mask_size="image"),
    ]
    assert {str(digests(raw, options)) for options in (ASKED, *same)} == {str(digests(raw, ASKED))}
    assert digests(raw, ASKED, seed=5) == digests(raw, ASKED)
    twice = [
        digests(raw, replace(ASKED, drop_boxes=flags))
        for flags in (("group-of", "inside"), ("inside", "group-of"))
    ]
    assert twice[0] == twice[1]


def test_splits_have_digests_of_their_own(raw: Path) -> None:
    found = digests(raw, ASKED)
    assert list(found) == ["train", "validation", "test"]
    assert len(set(found.values())) == len(found)
    assert digests(raw, ASKED) == found


def test_lists_choose_of_each_split_its_own_images(raw: Path) -> None:
    ids = raw / "list.txt"
    ids.write_text(f"test/{image(1)}\ntrain/{image(2)}\n")
    options = replace(ASKED, ids=str(ids))
    found = requests.selections(options, 0, (), config.load(), Located(raw))
    assert {split: each.ids for split, each in found.items()} == {
        "train": frozenset({image(2)}),
        "validation": frozenset(),
        "test": frozenset({image(1)}),
    }


def test_no_image_in_any_split_is_refused_and_in_one_is_not(raw: Path, tmp_path: Path) -> None:
    def marks(*classes: str) -> dict[str, SelectionMark]:
        options = SelectionOptions(classes=classes)
        found = requests.selections(options, 0, ("train", "test"), config.load(), Located(raw))
        return {name: select(tmp_path / "out", each) for name, each in found.items()}

    requests.check_any(marks("Bear"), ASKED)
    some = {**marks("Bear"), "test": marks("Cat")["test"]}
    requests.check_any(some, ASKED)
    with pytest.raises(UsageError, match="no image is selected") as refused:
        requests.check_any(marks("Cat"), ASKED)
    assert refused.value.found == f"none of Cat ({CAT}) in train, test, with --by boxes"
    names = classes.read(raw / config.load().version().classes.name)
    assert "called nearly so" not in str(refused.value)
    with pytest.raises(UsageError, match=r"called nearly so: Catfish \(/m/0catfish\)"):
        requests.check_any(marks("Cat"), ASKED, names)
