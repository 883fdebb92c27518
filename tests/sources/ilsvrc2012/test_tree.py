"""An unpacked tree becomes the same rows as its archives, in every layout, or is refused."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from indexing import verify_and_index
from support import RawSet

from pipeline.archives.index import ArchiveIndex
from pipeline.catalog.classes import LabelTable
from pipeline.errors import InputRefused, TreeRefused
from pipeline.sources.ilsvrc2012 import dataset as config
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012 import tree
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation, expectation
from pipeline.sources.ilsvrc2012.members import archive_rows
from pipeline.sources.ilsvrc2012.solution import Answer, Solution

PLACES = {
    "folders": "{split.folder}",
    "split names": "{split.name}",
    "archive names": "{archive}",
    "competition": "ILSVRC/Data/CLS-LOC/{split.folder}",
}
WHERE = ["flat", "foldered", "half foldered"]
SAME = ["key", "class_id", "length", "number"]


def unpack(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {
            member.name: stream.read()
            for member in archive
            if (stream := archive.extractfile(member)) is not None
        }


@dataclass(frozen=True)
class Unpacked:
    """A raw set, split by split: its configuration, what its archives say, and its images."""

    table: LabelTable
    splits: dict[str, SplitConfig]
    expected: dict[str, Expectation]
    rows: dict[str, pa.Table]
    images: dict[str, dict[str, bytes]]

    def write(self, folder: Path, place: str, where: str) -> Path:
        """Write a tree; `where` is how the images of flat splits lie."""
        for name, split in self.splits.items():
            archive = split.archive.removesuffix(".tar")
            top = folder / place.format(split=split, archive=archive)
            synsets = dict(zip(*self.column(name, "key", "class_id"), strict=True))
            for number, (key, content) in enumerate(self.images[name].items()):
                apart = where == "foldered" or (where == "half foldered" and number % 2)
                wnid = synsets[key] if apart and split.layout == "flat" else ""
                path = top / wnid / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        return folder

    def column(self, split: str, *names: str) -> list[list[str]]:
        return [self.rows[split][name].to_pylist() for name in names]

    def solution(self) -> str:
        keys, synsets = self.column("validation", "key", "class_id")
        pairs = zip(reversed(keys), reversed(synsets), strict=True)
        lines = (f"{key.removesuffix('.JPEG')},{wnid} 1 2 30 40 " for key, wnid in pairs)
        return "\n".join(["ImageId,PredictionString", *lines, ""])


@pytest.fixture(scope="module", params=["sample", "mini"])
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The drawn sample, then the real mini set."""
    raw_set: RawSet = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("unpacked")
    dataset = config.load(raw_set.config)
    table = labels.load_table(dataset.label_table)
    found = Unpacked(table, {}, {}, {}, {})
    for name in ("train", "validation"):
        split = dataset.splits[name]
        archive, listing = raw_set.raw / split.archive, folder / f"{name}.index"
        nested = split.layout == "class-tars"
        verify_and_index(archive, listing, expected_md5=None, nested=nested)
        expected = expectation(split, table, None)
        images = unpack(archive.read_bytes())
        if nested:
            images = {
                f"{container.removesuffix('.tar')}/{member}": content
                for container, inside in images.items()
                for member, content in unpack(inside).items()
            }
        found.splits[name] = split
        found.expected[name] = expected
        parts = archive_rows(ArchiveIndex(listing), split, table, expected)
        found.rows[name] = pa.concat_tables(parts).sort_by("key")
        found.images[name] = images
    return found


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("place", PLACES)
def test_a_tree_gives_the_rows_of_its_archives(
    unpacked: Unpacked, tmp_path: Path, place: str, where: str
) -> None:
    folder = unpacked.write(tmp_path / "tree", PLACES[place], where)
    if place == "competition":
        (folder / "LOC_val_solution.csv").write_text(unpacked.solution())
    solution = tree.read_solution(folder)
    assert (solution is not None) == (place == "competition")
    for name, split in unpacked.splits.items():
        listing = tree.scan(folder, split)
        rows = tree.rows(listing, split, unpacked.table, unpacked.expected[name], solution)
        assert rows.schema.equals(unpacked.rows[name].schema)
        assert rows.select(SAME) == unpacked.rows[name].select(SAME)
        assert set(rows["offset"].to_pylist()) == {0}
        for key, source in zip(rows["key"].to_pylist(), rows["source"].to_pylist(), strict=True):
            assert (folder / source).read_bytes() == unpacked.images[name][key]
        assert listing.bytes == sum(map(len, unpacked.images[name].values()))


def test_the_digest_is_the_same_in_every_layout(unpacked: Unpacked, tmp_path: Path) -> None:
    listings = [
        tree.scan(unpacked.write(tmp_path / place / where, PLACES[place], where), split)
        for split in unpacked.splits.values()
        for place in PLACES
        for where in WHERE
    ]
    assert len({listing.digest for listing in listings}) == len(unpacked.splits)


MEMBER = r"v_(\d+)\.JPEG"
TRAIN = SplitConfig(name="train", archive="t.tar", folder="train", layout="class-tars", shards=1)
VALIDATION = SplitConfig(
    name="validation",
    archive="v.tar",
    folder="val",
    layout="flat",
    shards=1,
    member=MEMBER,
    labels=Path("list.txt"),
)
TEST = replace(VALIDATION, name="test", folder="test", labels=None)
TABLE = LabelTable(Path("table.tsv"), ("n01", "n02"), ("tench", "goldfish"), {})
NUMBERED = Expectation({"n01": 1, "n02": 2}, ("n02", "n01", "n02"), consecutive=True)


def rows_of(
    folder: Path,
    split: SplitConfig,
    *files: str,
    expected: Expectation = NUMBERED,
    solution: Solution | None = None,
) -> list[dict[str, object]]:
    for name in files:
        path = folder / split.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    made = tree.rows(tree.scan(folder, split), split, TABLE, expected, solution)
    found: list[dict[str, object]] = made.to_pylist()
    return found


def refused(folder: Path, split: SplitConfig, *files: str) -> TreeRefused:
    with pytest.raises(TreeRefused) as refusal:
        rows_of(folder, split, *files)
    return refusal.value


def test_a_row_says_where_the_image_is_and_which(tmp_path: Path) -> None:
    assert rows_of(tmp_path, VALIDATION, "n01/v_02.JPEG", "v_3.JPEG") == [
        {
            "key": "v_02.JPEG",
            "class_id": "n01",
            "source": "val/n01/v_02.JPEG",
            "offset": 0,
            "length": 5,
            "number": 2,
        },
        {
            "key": "v_3.JPEG",
            "class_id": "n02",
            "source": "val/v_3.JPEG",
            "offset": 0,
            "length": 5,
            "number": 3,
        },
    ]
    assert rows_of(tmp_path, TRAIN, "n02/any name")[0] == {
        "key": "n02/any name",
        "class_id": "n02",
        "source": "train/n02/any name",
        "offset": 0,
        "length": 5,
        "number": 0,
    }


def test_an_empty_folder_gives_no_rows(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "train").mkdir()
    assert rows_of(tmp_path, VALIDATION) == rows_of(tmp_path, TRAIN) == []


def test_images_without_labels_have_an_empty_class(tmp_path: Path) -> None:
    expected = Expectation({"": 2}, ("", ""), consecutive=True)
    rows = rows_of(tmp_path, TEST, "test/v_1.JPEG", "v_2.JPEG", expected=expected)
    assert [(row["class_id"], row["number"]) for row in rows] == [("", 1), ("", 2)]
    with pytest.raises(TreeRefused) as refusal:
        rows_of(tmp_path / "other", TEST, "n01/v_1.JPEG", expected=expected)
    assert (refusal.value.file, refusal.value.found) == ("test/n01/v_1.JPEG", "n01")
    assert "nobody knows the class" in str(refusal.value.expected)


def test_a_class_folder_that_the_table_lacks_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, TRAIN, "n01/a", "n04/b", "n03/c")
    assert (error.file, error.found) == ("train/n03", "n03, n04")
    assert "table.tsv" in str(error.expected)


@pytest.mark.parametrize("name", ["v_4.JPEG", "v_0.JPEG", "v_1.jpeg", "xv_1.JPEG", "v_1.JPEG.bak"])
@pytest.mark.parametrize("place", ["", "n02/"])
def test_a_file_that_is_no_image_of_the_split_is_refused(
    tmp_path: Path, place: str, name: str
) -> None:
    error = refused(tmp_path, VALIDATION, "v_2.JPEG", place + name)
    assert (error.file, error.found) == (f"val/{place}{name}", name)
    assert error.expected == f"{MEMBER} with a number from 1 to 3, each once"


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, VALIDATION, "v_01.JPEG", "n02/v_1.JPEG")
    assert (error.file, error.found) == (
        "val/n02/v_1.JPEG",
        "v_1.JPEG, image 1 like val/v_01.JPEG",
    )


@pytest.mark.parametrize("name", ["v_².JPEG", "v_.JPEG"])
def test_a_number_is_written_in_ascii_digits(tmp_path: Path, name: str) -> None:
    loose = replace(VALIDATION, member=r"v_(\D)?\.JPEG")
    assert refused(tmp_path, loose, name).found == name


def test_an_image_in_the_folder_of_another_class_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, VALIDATION, "v_1.JPEG", "n02/v_2.JPEG", "n02/v_3.JPEG")
    assert (error.file, error.expected, error.found) == ("val/n02/v_2.JPEG", "n01", "n02")
    assert "into n01" in str(error.remedy)


class TestSolution:
    def test_that_agrees_changes_nothing(self, tmp_path: Path) -> None:
        answers = {"v_1": Answer("n02", 3), "v_2": Answer("n01", 2), "v_9": Answer("n09", 4)}
        solution = Solution(Path("LOC.csv"), answers)
        agreed = rows_of(tmp_path, VALIDATION, "v_1.JPEG", "v_2.JPEG", solution=solution)
        assert agreed == rows_of(tmp_path, VALIDATION)

    @pytest.mark.parametrize(
        ("answers", "place", "found"),
        [({"v_1": Answer("n01", 7)}, "line 7", "n01"), ({}, None, "no line for it")],
    )
    def test_that_does_not_is_refused(
        self, tmp_path: Path, answers: dict[str, Answer], place: str | None, found: str
    ) -> None:
        solution = Solution(Path("LOC.csv"), answers)
        with pytest.raises(InputRefused, match=r"v_1\.JPEG") as refusal:
            rows_of(tmp_path, VALIDATION, "v_1.JPEG", solution=solution)
        error = refusal.value
        assert (error.file, error.place, error.expected) == ("LOC.csv", place, "n02")
        assert error.found == found
