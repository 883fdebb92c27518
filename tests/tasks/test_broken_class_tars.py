"""Class tars that cannot be read, in an archive of which only other classes are wanted, or all."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import inprocess
import pytest
from inprocess import Ran
from support import RawSet

from pipeline import manifest, storage

TRAIN = "ILSVRC2012_img_train.tar"
BREAKING: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "gzip": (gzip.compress, "gzip data, and no tar archive"),
    "web page": (lambda _: b"<!DOCTYPE html><title>Log in</title>", "a web page, and no tar"),
    "garbage": (lambda tar: b"\x55" * len(tar), "no tar header"),
    "cut": (lambda tar: tar[:1500], "a nested tar ends too early"),
}


@dataclass(frozen=True)
class Archive:
    """An archive of which one class tar cannot be read."""

    raw_set: RawSet
    broken: str
    others: Path

    def prepare(self, monkeypatch: pytest.MonkeyPatch, out: Path, *words: object) -> Ran:
        """Run the command on its training images."""
        where = ("--raw", self.raw_set.raw, "--config", self.raw_set.config, "--out", out)
        usual = ("--split", "train", "--no-boxes", "--shards", "train=2")
        return inprocess.shardmill(monkeypatch, "imagenet", *where, *usual, *words)


def broken_archive(
    small: RawSet, folder: Path, change: Callable[[bytes], bytes], *, far: bool = False
) -> Archive:
    """Copy the sample and break its second class tar, `far` behind the first MiB."""
    own = small.copy(folder / "raw")
    with tarfile.open(own.raw / TRAIN) as archive:
        files = [(each.name, archive.extractfile(each)) for each in archive]
        contents = {name: file.read() for name, file in files if file is not None}
    names = list(contents)
    contents[names[1]] = change(contents[names[1]])
    if far:
        contents = {"._padding": bytes(2 << 20), **contents}
    with tarfile.open(own.raw / TRAIN, "w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    own.repin(TRAIN)
    others = folder / "others.txt"
    others.write_text("".join(f"{name.removesuffix('.tar')}\n" for name in names if name[0] == "n"))
    lines = [line for line in others.read_text().split() if line != names[1].removesuffix(".tar")]
    others.write_text("\n".join(lines))
    return Archive(own, names[1], others)


def shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("tfrecord/train/current/*-of-*")}


@pytest.mark.parametrize(
    ("how", "far"),
    [("gzip", False), ("gzip", True), ("web page", False), ("garbage", False), ("cut", True)],
)
def test_only_who_needs_the_class_is_refused(
    small: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, far: bool
) -> None:
    change, message = BREAKING[how]
    made = broken_archive(small, tmp_path, change, far=far)
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    run = made.prepare(monkeypatch, out, "--classes", made.others)
    assert run.status == 0, run.said
    assert f"tars of other classes that cannot be read: 1, e.g. {made.broken}" in run.said
    (path,) = out.glob("tfrecord/train/current/manifest.json")
    assert manifest.load(path)["passed_over"]["count"] == 1 + far
    intact = Archive(small, made.broken, made.others)
    assert intact.prepare(monkeypatch, tmp_path / "intact", "--classes", made.others).status == 0
    assert shards(out) == shards(tmp_path / "intact")
    for place, words in (
        (out, ()),
        (out, ("--until", "verify")),
        (out, ("--dry-run",)),
        (fresh, ()),
    ):
        refused = made.prepare(monkeypatch, place, *words)
        assert refused.status == 3, (place, words, refused.said)
        assert message in refused.said
        assert made.broken in refused.said
    assert made.prepare(monkeypatch, fresh, "--classes", made.others).status == 0
    assert shards(fresh) == shards(out)


def test_what_was_found_is_not_read_again(
    small: RawSet, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = broken_archive(small, tmp_path, BREAKING["gzip"][0], far=True)
    assert made.prepare(monkeypatch, out).status == 3
    opened: list[Path] = []
    plain = storage.RangeReader.__init__

    def noted(self: storage.RangeReader, path: Path) -> None:
        opened.append(path)
        plain(self, path)

    monkeypatch.setattr(storage.RangeReader, "__init__", noted)
    assert made.prepare(monkeypatch, out).status == 3
    assert made.raw_set.raw / TRAIN not in opened
    chosen = tmp_path / "chosen.txt"
    chosen.write_text(made.broken.removesuffix(".tar"))
    run = made.prepare(monkeypatch, out, "--classes", chosen)
    assert run.status == 3, run.said
    assert "gzip data, and no tar archive" in run.said


def test_what_an_older_reader_could_not_read_is_read_again(
    small: RawSet, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = broken_archive(small, tmp_path, BREAKING["garbage"][0])
    assert made.prepare(monkeypatch, out).status == 3
    (path,) = (out / ".shardmill" / "archives").glob(f"{TRAIN}.*-*.json")
    document = manifest.load(path)
    path.write_bytes(manifest.serialise(document | {"reader": document["reader"] - 1}))
    run = made.prepare(monkeypatch, out, "--classes", made.others)
    assert run.status == 0, run.said
    assert manifest.load(path)["reader"] == document["reader"]
