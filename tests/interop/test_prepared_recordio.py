"""What ``imagenet`` and ``imagelist`` make, read by MXNet, NVIDIA DALI, webdataset and wids.

What is expected is taken from lists, trees and images, not from the shards.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawnlists import ListedSet, current, encoded, lay, shards
from PIL import Image
from support import ROOT, RawSet, prepare

from pipeline import manifest
from pipeline.annotations.source import read_annotations
from pipeline.annotations.voc import parse_annotation

READERS = Path(__file__).with_name("readers")
MXNET = os.environ.get("SHARDMILL_MXNET_PYTHON", str(ROOT / ".venv-mxnet/bin/python"))
DALI = os.environ.get("SHARDMILL_DALI_PYTHON", str(ROOT / ".venv-dali/bin/python"))
WEBDATASET = os.environ.get(
    "SHARDMILL_WEBDATASET_PYTHON", str(ROOT / ".venv-webdataset/bin/python")
)
WIDS = os.environ.get("SHARDMILL_WIDS_PYTHON", str(ROOT / ".venv-wids/bin/python"))
BOTH = ("--format", "recordio", "--format", "webdataset", "--joined")
COUNT = 23


def printed(python: str, reader: str, *arguments: object) -> Any:
    """Return the JSON that a reader prints in its own environment."""
    if not Path(python).exists():
        pytest.skip(f"{reader} needs an environment of its own: make interop")
    command = [python, READERS / reader, *arguments]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def mxnet(mode: str, *arguments: object) -> Any:
    return printed(MXNET, "mxnet_recordio.py", mode, *arguments)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def listed(path: Path) -> dict[int, tuple[list[float], str]]:
    """Return id -> labels, path of an image list."""
    rows = (line.split("\t") for line in path.read_text().splitlines())
    return {int(row[0]): ([float(np.float32(each)) for each in row[1:-1]], row[-1]) for row in rows}


def joined(folder: Path, split: str) -> tuple[Path, Path]:
    return folder / f"{split}.rec", folder / f"{split}.idx"


def dali(shard: Path) -> Any:
    """Return what DALI finds; of RecordIO it takes a single file and index."""
    return printed(DALI, "dali_recordio.py", shard, "--", shard.with_suffix(".idx"))


@pytest.fixture(scope="module", params=["sample", "mini"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards in both formats beside the list and the tree of the same images."""
    raw_set: RawSet = request.getfixturevalue(request.param)
    out = tmp_path_factory.mktemp("prepared")
    run = prepare(raw_set, out, "--split", "train", "--extract", *BOTH)
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    """Three labels each; names with blanks and umlauts; one holds MXNet's magic number."""
    folder = tmp_path_factory.mktemp("drawn")
    drawn = ListedSet(folder / "root", folder / "three.lst")
    drawn.root.mkdir()
    drawn.path.touch()
    for number in range(COUNT):
        name = f"klasse {number % 3}/Größe {number}.{('jpg', 'png')[number % 4 == 3]}"
        content = encoded(number, form="PNG" if name.endswith("png") else "JPEG")
        if number == 4:
            comment = b"--" + b"\x0a\x23\xd7\xce" * 4
            size = (2 + len(comment)).to_bytes(2, "big")
            content = content[:2] + b"\xff\xfe" + size + comment + content[2:]
        lay(drawn.root / name, content)
        drawn.add(f"{7 * number}\t{number}\t0.1\t-{number}\t{name}")
    return drawn


@pytest.fixture(scope="module")
def packed(drawn: ListedSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    run = drawn.prepare(out, *BOTH, "--shards", 4)
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture(scope="module")
def expected(drawn: ListedSet, packed: Path) -> list[tuple[int, list[float], bytes]]:
    """Id, labels and image of each record, in the order of the joined file."""
    index = (current(packed, "recordio", "three") / "three.idx").read_text().splitlines()
    rows = listed(drawn.path)
    return [
        (number, rows[number][0], (drawn.root / rows[number][1]).read_bytes())
        for number in (int(line.split("\t")[0]) for line in index)
    ]


class TestImageNet:
    def sources(self, prepared: Path) -> dict[int, tuple[list[float], str | None]]:
        """Return id -> labels, SHA-256 of the image; None where it was repaired."""
        document = manifest.load(current(prepared, "recordio", "train") / "manifest.json")
        repaired = {mended["key"] for mended in document["repairs"]}
        found = {}
        for number, (labels, path) in listed(prepared / "lists/train.lst").items():
            content = (prepared / "train" / path).read_bytes()
            found[number] = (labels, None if path in repaired else sha(content))
        return found

    def test_mxnet_finds_every_image_by_its_number_in_the_list(self, prepared: Path) -> None:
        sources = self.sources(prepared)
        found = mxnet("records", *joined(current(prepared, "recordio", "train"), "train"))
        assert sorted(row[2] for row in found) == sorted(sources)
        for flag, labels, number, id2, digest in found:
            expected, image = sources[number]
            assert (flag, labels, id2) == (0, expected, 0)
            assert image in {None, digest}

    def test_mxnet_finds_the_same_in_the_shards(self, prepared: Path) -> None:
        folder = current(prepared, "recordio", "train")
        parts = [
            mxnet("records", shard, shard.with_suffix(".idx")) for shard in shards(folder, "train")
        ]
        assert list(itertools.chain(*parts)) == mxnet("records", *joined(folder, "train"))

    def test_the_iterators_of_mxnet_find_every_label(self, prepared: Path) -> None:
        shard, index = joined(current(prepared, "recordio", "train"), "train")
        order = [int(line.split("\t")[0]) for line in index.read_text().splitlines()]
        sources = self.sources(prepared)
        expected = [sources[number][0] for number in order]
        assert mxnet("iterate", shard, index, 1, 3) == [expected] * 3
        assert mxnet("listed", shard, shard.with_suffix(".lst"), 1) == expected

    def test_dali_finds_the_same_in_a_shard_and_joined(self, prepared: Path) -> None:
        folder = current(prepared, "recordio", "train")
        found = dali(joined(folder, "train")[0])
        first = dali(shards(folder, "train")[0])
        assert found[: len(first)] == first
        sources = self.sources(prepared)
        index = (folder / "train.idx").read_text().splitlines()
        for line, (digest, labels, _) in zip(index, found, strict=True):
            expected, image = sources[int(line.split("\t")[0])]
            assert labels == expected
            assert image in {None, digest}

    def test_webdataset_wids_and_dali_find_the_same_samples(
        self, prepared: Path, tmp_path: Path
    ) -> None:
        folder = current(prepared, "webdataset", "train")
        files = shards(folder, "train")
        found = printed(WEBDATASET, "read_webdataset.py", *files)
        assert printed(WIDS, "read_wids.py", folder / "index.json", tmp_path) == found
        indexes = [folder / "idx" / f"{path.stem}.idx" for path in files]
        rows = printed(DALI, "dali_webdataset.py", *files, "--", *indexes)
        assert [row[:2] for row in rows] == [[row[2], row[3]] for row in found]
        expected = {
            path.removesuffix(".JPEG"): (labels[0], digest)
            for (labels, path), (_, digest) in zip(
                listed(prepared / "lists/train.lst").values(),
                self.sources(prepared).values(),
                strict=True,
            )
        }
        assert {row[0] for row in found} == expected.keys()
        for key, _, digest, label, facts in found:
            assert label == expected[key][0]
            assert expected[key][1] in {None, digest}
            assert facts["wnid"] == key.partition("/")[0]


def other_classes(sample: RawSet, wnids: list[str]) -> dict[str, dict[int, float]]:
    """The label of each object that is of another class than its image, by name and place."""
    found: dict[str, dict[int, float]] = {}
    for member, content in read_annotations(sample.raw / "ILSVRC2012_bbox_train_v2.tar.gz"):
        assert isinstance(content, bytes)
        folder, _, name = member.partition("/")
        for place, each in enumerate(parse_annotation(content).objects):
            if each.name in wnids and each.name != folder:
                found.setdefault(name.removesuffix(".xml"), {})[place] = wnids.index(each.name)
    return found


def test_boxes_reach_the_iterators_for_detection(sample: RawSet, out: Path) -> None:
    options = ("--labels", "detection", "--resize", 48, *BOTH)
    run = prepare(sample, out, "--split", "train", "--shards", "train=2", *options)
    assert run.returncode in {0, 4}, run.stderr  # images without a box are left out
    folder = current(out, "recordio", "train")
    expected: dict[int, list[list[float]]] = {}
    by_path: dict[str, list[list[float]]] = {}
    for line in (out / "bboxes.csv").read_text().splitlines():
        name, *corners = line.split(",")
        by_path.setdefault(name.rpartition("/")[2].partition(".")[0], []).append(
            [float(each) for each in corners]
        )
    images = listed(out / "lists/train.lst")
    named = other_classes(sample, (out / "lists/synsets.txt").read_text().split())
    assert len(named) == 1
    for number, (labels, path) in images.items():
        boxes = by_path.get(path.rpartition("/")[2].partition(".")[0])
        if boxes:
            own = named.get(path.rpartition("/")[2].partition(".")[0], {})
            expected[number] = [
                [own.get(place, labels[0]), *box] for place, box in enumerate(boxes)
            ]
    document = manifest.load(folder / "manifest.json")
    assert document["counts"]["left_out"] == len(images) - len(expected) > 0
    shard, index = joined(folder, "train")
    order = [int(line.split("\t")[0]) for line in index.read_text().splitlines()]
    assert sorted(order) == sorted(expected)
    rows, objects = mxnet("detect", shard, index)
    for number, row, found in zip(order, rows, objects, strict=True):
        assert row[:2] == [4.0, 5.0]
        assert min(row[2:4]) == 48.0
        stored = np.array(row[4:]).reshape(-1, 5)
        assert np.allclose(stored, np.array(expected[number]), atol=1e-4)
        assert np.allclose(np.array(found), stored)


class TestImageList:
    def test_mxnet_finds_every_record(
        self, packed: Path, expected: list[tuple[int, list[float], bytes]]
    ) -> None:
        shard, index = joined(current(packed, "recordio", "three"), "three")
        rows = [[3, labels, number, 0, sha(content)] for number, labels, content in expected]
        assert len(rows) == COUNT
        assert mxnet("records", shard, index) == rows
        labels = [labels for _, labels, _ in expected]
        assert mxnet("iterate", shard, index, 3, 2) == [labels] * 3
        assert mxnet("imageiter", shard, index, 3) == labels
        assert mxnet("listed", shard, shard.with_suffix(".lst"), 3) == labels
        assert [row[1] for row in mxnet("gluon", shard)] == labels

    def test_dali_finds_every_record(
        self, packed: Path, expected: list[tuple[int, list[float], bytes]]
    ) -> None:
        found = dali(joined(current(packed, "recordio", "three"), "three")[0])
        assert [row[:2] for row in found] == [
            [sha(content), labels] for _, labels, content in expected
        ]

    def test_webdataset_and_wids_find_every_sample(
        self, packed: Path, expected: list[tuple[int, list[float], bytes]], tmp_path: Path
    ) -> None:
        folder = current(packed, "webdataset", "three")
        found = printed(WEBDATASET, "read_webdataset.py", *shards(folder, "three"))
        assert [(row[2], row[4]["labels"]) for row in found] == [
            (sha(content), labels) for _, labels, content in expected
        ]
        assert printed(WIDS, "read_wids.py", folder / "index.json", tmp_path) == found

    @pytest.mark.parametrize("size", [("--resize", 20), ("--resize", 20, "--center-crop")])
    def test_readers_find_images_of_the_size_that_was_asked_for(
        self, drawn: ListedSet, tmp_path: Path, size: tuple[object, ...]
    ) -> None:
        run = drawn.prepare(tmp_path, *BOTH, *size, "--quality", 90)
        assert run.returncode == 0, run.stderr
        shard, _ = joined(current(tmp_path, "recordio", "three"), "three")
        shapes = []
        for _, path in listed(shard.with_suffix(".lst")).values():
            with Image.open(io.BytesIO((drawn.root / path).read_bytes())) as image:
                width, height = image.size
            if "--center-crop" in size:
                width = height = min(width, height)
            scale = 20 / min(width, height)
            shapes.append((round(height * scale), round(width * scale)))
        for found in (
            [row[0] for row in mxnet("gluon", shard)],
            [row[2] for row in dali(shard)],
        ):
            assert {row[2] for row in found} == {3}
            differences = np.abs(np.array([row[:2] for row in found]) - np.array(shapes))
            assert differences.max() <= 1  # how a side is rounded is another test's
