"""Images that are changed between the look at them and the reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from packing import list_all, passing, tiny_set

from pipeline.errors import BadImage
from pipeline.im2rec.image_files import ImageFiles


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny_set(tmp_path)


def test_an_image_is_read_whole(root: Path) -> None:
    with ImageFiles(passing(root, list_all(root))) as files:
        for name in ("0.jpg", "1.jpg"):
            expected = (root / name).read_bytes()
            assert bytes(files.read(name, files.announce(name))) == expected
            assert bytes(files.read(name, None)) == expected


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"!"])
def test_one_that_becomes_shorter_or_longer_is_refused(
    root: Path, change: Callable[[bytes], bytes]
) -> None:
    before = (root / "0.jpg").read_bytes()
    with ImageFiles(passing(root, list_all(root))) as files:
        info = files.announce("0.jpg")
        (root / "0.jpg").write_bytes(change(before))
        with pytest.raises(BadImage, match="changed while it was read") as refusal:
            files.read("0.jpg", info)
        assert refusal.value.expected == f"{len(before):,} bytes"
        assert refusal.value.found == f"{len(change(before)):,} bytes"
        assert bytes(files.read("0.jpg", files.announce("0.jpg"))) == change(before)


def test_one_that_comes_after_the_look_is_read_and_one_that_goes_is_absent(root: Path) -> None:
    with ImageFiles(passing(root, list_all(root))) as files:
        assert files.announce("new.jpg") is None
        (root / "0.jpg").rename(root / "new.jpg")
        assert len(files.read("new.jpg", None)) == (root / "new.jpg").stat().st_size
        info = files.announce("1.jpg")
    with ImageFiles(passing(root, list_all(root))) as files:
        (root / "1.jpg").unlink()
        with pytest.raises(BadImage, match="there is no such image"):
            files.read("1.jpg", info)
