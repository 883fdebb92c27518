"""Outputs of im2rec read back by ``shardmill verify`` and told of by ``shardmill status``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packing import encoding, list_all, passing, tiny_set, write_list

from pipeline import manifest
from pipeline.errors import UsageError
from pipeline.formats.recordio.header import LabelForm
from pipeline.im2rec.assignments import Assignments
from pipeline.im2rec.job import PackJob, Part
from pipeline.im2rec.pack import pack
from pipeline.images.raster import Pixels
from pipeline.images.transforms import CenterCrop, Compose, Resize
from pipeline.verification.findings import Layer
from tasks.cli.packedsets import PackedSets
from tasks.cli.status import status
from tasks.cli.verify import verify


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny_set(tmp_path)


@pytest.fixture
def packed(root: Path, tmp_path: Path) -> Path:
    """The folder of ``a.rec`` with what belongs to it."""
    pack(passing(root, list_all(root)))
    return tmp_path


def call(command: Any, *words: object) -> int:
    result: int = command.main([str(word) for word in words], standalone_mode=False)
    return result


def layers(path: Path, raw: Path | None = None) -> list[tuple[Layer, str]]:
    return [(each.layer, each.path.name) for each in PackedSets.of(path).findings(raw)]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4)


def without_last_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


NAMES = (".", "a.rec", "a.idx", "a.manifest.json")
DAMAGE: list[tuple[str, Callable[[Path], object], set[tuple[Layer, str]]]] = [
    ("a.rec", lambda path: flip(path, 900), {(Layer.FILE_HASH, "a.rec")}),
    (
        "a.rec",
        lambda path: flip(path, 0),
        {(Layer.FILE_HASH, "a.rec"), (Layer.RECORD_CRC, "a.rec")},
    ),
    ("a.rec", cut, {(Layer.SIZE, "a.rec"), (Layer.RECORD_CRC, "a.rec")}),
    ("a.rec", Path.unlink, {(Layer.SIZE, "a.rec")}),
    ("a.idx", Path.unlink, {(Layer.SIZE, "a.idx")}),
    ("a.idx", without_last_line, {(Layer.SIZE, "a.idx"), (Layer.INDEX, "a.idx")}),
    ("a.manifest.json", lambda path: flip(path, 30), {(Layer.SELF_CHECKSUM, "a.manifest.json")}),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_output_is_found_by_each_of_its_names(packed: Path, name: str) -> None:
    assert call(verify, packed / name) == 0
    assert call(verify, packed / name, "--against", packed / "images") == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("damaged", "harm", "expected"), DAMAGE)
def test_damage_is_found_and_nothing_is_removed(
    packed: Path,
    name: str,
    damaged: str,
    harm: Callable[[Path], object],
    expected: set[tuple[Layer, str]],
) -> None:
    harm(packed / damaged)
    before = {path.name for path in packed.iterdir()}
    assert set(layers(packed / name)) == expected
    assert call(verify, packed / name) == 1
    assert call(verify, packed, "--remove-damaged") == 1
    assert {path.name for path in packed.iterdir()} == before


def test_the_command_that_a_finding_names_mends_it(root: Path, packed: Path) -> None:
    flip(packed / "a.rec", 900)
    (finding,) = PackedSets.of(packed).findings(None)
    assert "run the shardmill im2rec command again" in str(finding.error)
    pack(passing(root, packed / "a.lst"))
    assert call(verify, packed) == 0


@pytest.mark.parametrize("stray", ["b.rec", "b.idx", "out.rec.part003"])
def test_files_of_another_program_are_named(packed: Path, stray: str) -> None:
    (packed / stray).write_bytes((packed / "a.rec").read_bytes())
    assert layers(packed) == [(Layer.UNEXPECTED_FILE, stray)]
    assert layers(packed / stray) == [(Layer.UNEXPECTED_FILE, stray)]
    assert layers(packed / "a.rec") == []
    assert (call(verify, packed), call(status, packed)) == (1, 1)


def test_what_a_command_left_that_was_killed_before_its_manifest_is_no_output(
    packed: Path,
) -> None:
    (packed / "a.manifest.json").unlink()
    assert layers(packed / "a.rec") == [(Layer.UNEXPECTED_FILE, "a.rec")]
    assert layers(packed) == [(Layer.UNEXPECTED_FILE, "a.idx"), (Layer.UNEXPECTED_FILE, "a.rec")]


def test_a_folder_without_an_output_is_refused(tmp_path: Path) -> None:
    for name in ("x.manifest.json", "image.jpg", "list.lst"):
        (tmp_path / name).write_text("{}")
    for path in (tmp_path, tmp_path / "list.lst", tmp_path / "absent.rec"):
        with pytest.raises(UsageError, match="no output to verify"):
            call(verify, path)


def test_status_says_what_is_complete(
    root: Path, packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(status, packed) == 0
    said = f"{packed / 'a.rec'}: complete, 12 records, 0 left out\n"
    assert capsys.readouterr().out == said
    assert call(status, packed / "a.rec") == 0
    assert capsys.readouterr().out == said
    write_list(packed / "a.lst", [(0, 0, "0.jpg"), (1, 0, "absent.jpg")])
    pack(passing(root, packed / "a.lst", error_limit=1))
    assert call(status, packed) == 4
    (packed / "a.idx").unlink()
    assert call(status, packed) == 1
    assert "incomplete: a.idx missing" in capsys.readouterr().out


def jobs(root: Path, listing: Path) -> list[PackJob]:
    """Each way to pack whose records can be made once more."""
    auto = Assignments.parse(["resize=8", "inter_method=9", "center_crop=1", "label_width=2"])
    own = {"orientation": None, "transcode": False}
    return [
        passing(root, listing, labels=LabelForm.PYTHON),
        passing(root, listing, transcode=True, orientation="bake", listed="b.lst"),
        passing(root, listing, part=Part(1, 2), label_width=2),
        encoding(root, listing, Compose([CenterCrop(), Resize((9, 7), filter="box")]), color=0),
        auto.job(listing, root, listing.with_suffix(".rec"), **own),
    ]


@pytest.mark.parametrize("kind", range(5))
def test_records_are_compared_with_what_is_made_of_their_sources(
    root: Path, tmp_path: Path, kind: int
) -> None:
    rows = [(number, 1, 2, f"{number}.jpg") for number in range(12)]
    rows.insert(9, (99, 1, 2, "absent.jpg"))
    listing = write_list(tmp_path / "a.lst", rows)
    done = pack(replace(jobs(root, listing)[kind], error_limit=1))
    assert layers(done.targets.records, root) == []
    (root / "11.jpg").write_bytes((root / "3.jpg").read_bytes().replace(b"3", b"4"))
    spec = jobs(root, listing)[kind].spec
    expected = [] if spec.quality else [(Layer.SOURCE, done.targets.records.name)]
    assert layers(done.targets.records, root) == expected  # a comment is not encoded anew
    (root / "11.jpg").write_bytes(b"<html>")
    assert layers(done.targets.records, root) == [(Layer.SOURCE, done.targets.records.name)]
    (root / "11.jpg").unlink()
    (finding,) = PackedSets.of(done.targets.records).findings(root)
    assert "11.jpg" in str(finding.error.place)
    assert "there is no such image" in str(finding.error.found)


def test_what_cannot_be_compared_is_said(root: Path, tmp_path: Path) -> None:
    def own(pixels: Pixels) -> Pixels:
        return pixels

    listing = list_all(root)
    for transform in (own, Compose([Resize(9), own])):
        pack(encoding(root, listing, transform))
        with pytest.raises(UsageError, match=r"a transform was .*own"):
            call(verify, tmp_path, "--against", root)
    pack(passing(root, listing))
    with pytest.raises(UsageError, match="no such folder of images"):
        call(verify, tmp_path, "--against", tmp_path / "absent")
    listing.write_text(listing.read_text() + "999\t1\t0.jpg\n")
    with pytest.raises(UsageError, match="not the one that was packed"):
        call(verify, tmp_path, "--against", root)
    listing.unlink()
    with pytest.raises(UsageError, match="is not beside it"):
        call(verify, tmp_path, "--against", root)
    assert call(verify, tmp_path) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Resize(",
        "Resize(300)",
        "Resize(size=-1)",
        "Resize(width=3)",
        "open(file='a')",
        "None",
        "Compose(transforms=(f,))",
        "__import__('os')",
        "Resize(size=(1, [2]))",
        "(" * 500 + ")",
    ],
)
def test_what_is_no_transform_of_this_program_is_never_evaluated(
    root: Path, packed: Path, text: str
) -> None:
    mark = packed / "a.manifest.json"
    document = manifest.load(mark)
    document["parameters"]["encode"]["transforms"] = [text]
    mark.write_bytes(manifest.serialise(document))
    with pytest.raises(UsageError):
        call(verify, packed, "--against", root)


def test_options_of_another_version_are_not_compared(root: Path, packed: Path) -> None:
    mark = packed / "a.manifest.json"
    document = manifest.load(mark)
    document["parameters"]["encode"]["sharpen"] = True
    mark.write_bytes(manifest.serialise(document))
    with pytest.raises(UsageError, match=r"of another version: .*sharpen"):
        call(verify, packed, "--against", root)


def test_a_fault_of_the_verifier_is_no_damage(
    packed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_path: Path) -> None:
        raise LookupError("a defect")

    monkeypatch.setattr("pipeline.verification.packcheck.scan_records", fail)
    assert call(verify, packed) == 1
    said = capsys.readouterr()
    assert "internal error" in said.err
    assert "problem" not in said.out


def test_a_wrong_root_does_not_flood(root: Path, packed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in (f"{number}.jpg" for number in range(12)):
        (other / name).write_bytes(b"\xff\xd8 no image")
    assert len(layers(packed / "a.rec", other)) == 6
