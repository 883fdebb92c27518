"""Archives as people pack them anew: other layouts, and what macOS puts beside each file."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import inprocess
import pytest
from commands import prepare
from support import RawSet, products

from pipeline import manifest

TRAIN = "ILSVRC2012_img_train.tar"
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(100)


def tar_of(members: list[tuple[str, bytes]]) -> bytes:
    """Pack members with pax headers, and an AppleDouble file before each."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            folder, slash, leaf = name.rpartition("/")
            for each, data in ((f"{folder}{slash}._{leaf}", APPLE_DOUBLE), (name, content)):
                info = tarfile.TarInfo(each)
                info.size, info.pax_headers = len(data), {"LIBARCHIVE.creationtime": "1"}
                archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def unpacked(content: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = [(member.name, archive.extractfile(member)) for member in archive]
        return [(name, file.read()) for name, file in files if file is not None]


def test_an_archive_packed_on_macos_with_folders_gives_the_same_records(
    small: RawSet, tmp_path: Path
) -> None:
    own = small.copy(tmp_path / "raw")
    tars = []
    for name, content in unpacked((own.raw / TRAIN).read_bytes()):
        wnid = name.removesuffix(".tar")
        images = [(f"{wnid}/{leaf}", data) for leaf, data in unpacked(content)]
        tars.append((f"winter21_whole/{name}", tar_of(images)))
    (own.raw / TRAIN).write_bytes(tar_of(tars))
    own.repin(TRAIN)
    runs = {}
    for raw_set, out in ((small, tmp_path / "plain"), (own, tmp_path / "packed")):
        run = prepare(raw_set, out, "--split", "train", "--no-boxes", "--shards", "train=2")
        assert run.returncode == 0, run.stderr
        shards = {Path(name).name: found for name, found in products(out).items() if "-of-" in name}
        (path,) = out.glob("tfrecord/train/current/manifest.json")
        runs[out.name] = run.stdout, shards, manifest.load(path)
    (plain, shards, document), (packed, same, littered) = runs.values()
    assert same == shards
    assert "passed over" not in plain
    assert f"train: passed over in {TRAIN}: 15 hidden or system names, e.g. winter21_w" in packed
    assert "passed_over" not in document
    assert littered["passed_over"]["count"] == 15


@pytest.mark.parametrize("hidden", [1, 3])
def test_a_hidden_folder_that_holds_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, tmp_path: Path, out: Path, hidden: int
) -> None:
    own = small.copy(tmp_path / "raw")
    with tarfile.open(own.raw / TRAIN, "w") as archive:
        for number, (name, content) in enumerate(unpacked((small.raw / TRAIN).read_bytes())):
            wnid = name.removesuffix(".tar")
            for leaf, data in unpacked(content):
                place = ".hidden/" if number < hidden else ""
                info = tarfile.TarInfo(f"{place}{wnid}/{leaf}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    own.repin(TRAIN)
    where = ("--raw", own.raw, "--config", own.config, "--out", out)
    run = inprocess.shardmill(monkeypatch, "imagenet", *where, "--split", "train", "--no-boxes")
    assert run.status == 3, run.said
    assert f"wrong number of images in {hidden} of 3 classes" in run.said
    assert f"passed over: {4 * hidden} hidden or system names, e.g. .hidden/n0" in run.said
