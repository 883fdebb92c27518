"""One pass over an archive: members, their first bytes, its MD5, and where it breaks off."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ownarchives import class_tars, images, tar_of

from pipeline.archives.index import ArchiveIndex
from pipeline.sources.ilsvrc2012.describing.listing import SCHEMA, Listed, list_archive
from pipeline.storage import StagedFile


def listed(content: bytes, folder: Path) -> tuple[Listed, list[dict[str, object]]]:
    (folder / "a.tar").write_bytes(content)
    with StagedFile(folder / "listing.parquet") as staged:
        found = list_archive(folder / "a.tar", staged, lambda _: None)
        staged.rename()
    parts = ArchiveIndex(folder / "listing.parquet", SCHEMA)
    return found, [row for part in range(len(parts)) for row in parts[part].to_pylist()]


@pytest.mark.parametrize("step", [1, 100, 1 << 20])
def test_members_are_known_by_their_first_bytes(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.archives.passage._STEP", step)
    gif, text = b"GIF89a" + bytes(300), b"some words"
    (jpeg,) = images(1).values()
    inner = tar_of({"1.jpg": jpeg, "2.jpg": gif})
    content = tar_of({"a.tar": inner, "b/3.jpg": jpeg, "b/4.txt": text, "b/5.jpg": b""})
    found, rows = listed(content, tmp_path)
    assert found.refusal is None
    assert found.read.md5 == hashlib.md5(content).hexdigest()
    assert [(row["container"], row["name"], row["data"]) for row in rows] == [
        ("", "a.tar", ""),
        ("a.tar", "1.jpg", "JPEG"),
        ("a.tar", "2.jpg", "GIF image"),
        ("", "b/3.jpg", "JPEG"),
        ("", "b/4.txt", "other data"),
        ("", "b/5.jpg", "empty"),
    ]


def test_a_cut_archive_is_listed_up_to_where_it_ends_and_says_so(tmp_path: Path) -> None:
    content = class_tars()
    found, rows = listed(content[: len(content) // 2], tmp_path)
    assert found.refusal is not None
    assert "ends too early" in found.refusal.what
    assert rows


def test_a_class_tar_that_is_none_is_noted(tmp_path: Path) -> None:
    found, rows = listed(tar_of({"a.tar": b"\x1f\x8b" + bytes(600)}), tmp_path)
    assert [tar.name for tar in found.broken] == ["a.tar"]
    assert len(rows) == 1
