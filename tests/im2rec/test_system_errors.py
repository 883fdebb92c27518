"""Images that cannot be read for a reason that lies in the system, not in the image."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from packing import encoding, list_all, names, passing, read, tiny_set, write_list
from support import command

from pipeline.errors import (
    BadImage,
    EnvironmentRefused,
    NoPermission,
    ShardmillError,
    TransientError,
    UsageError,
)
from pipeline.im2rec.pack import pack
from pipeline.images.raster import Pixels
from pipeline.storage.local import retrying

SYSTEM = (errno.ESTALE, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(retrying, "WAITS", (0.0, 0.0, 0.0))
    return tiny_set(tmp_path)


@pytest.fixture
def listing(root: Path) -> Path:
    return list_all(root)


def failing(call: str, number: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a system call on 3.jpg fail, the first few times."""
    real: Callable[..., object] = getattr(os, call)
    left = [times]

    def call_one(path: object, *arguments: object, **options: object) -> object:
        if str(path).endswith("/3.jpg") and left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, call, call_one)


@pytest.mark.parametrize("number", SYSTEM)
@pytest.mark.parametrize("call", ["open", "stat"])
def test_an_error_that_passes_costs_no_image(
    root: Path, listing: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    expected = pack(passing(root, listing)).targets.records.read_bytes()
    failing(call, number, 2, monkeypatch)
    packed = pack(passing(root, listing, error_limit=5))
    assert packed.left_out == ()
    assert packed.targets.records.read_bytes() == expected


@pytest.mark.parametrize(
    ("number", "kind"),
    [*((number, TransientError) for number in SYSTEM), (errno.EACCES, NoPermission)],
)
@pytest.mark.parametrize("call", ["open", "stat"])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_that_stays_ends_the_command_and_leaves_no_image_out(
    root: Path,
    listing: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    kind: type[ShardmillError],
    threads: int,
) -> None:
    failing(call, number, 999, monkeypatch)
    with pytest.raises(kind) as error:
        pack(passing(root, listing, error_limit=5, threads=threads))
    assert os.strerror(number) in error.value.what
    assert error.value.exit_status == 1
    assert error.value.file == str(root / "3.jpg")
    assert error.value.place == f"line 6 of {listing}"
    assert "no such" not in str(error.value)
    assert names(tmp_path) == {"images", "a.lst"}


def test_absence_is_said_of_what_is_absent(root: Path, listing: Path) -> None:
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "folder.jpg").mkdir()
    absent = ("absent.jpg", "0.jpg/below.jpg", "loop.jpg", "folder.jpg", "n" * 300)
    rows = [(number, 0, name) for number, name in enumerate(("0.jpg", *absent))]
    packed = pack(passing(root, write_list(listing, rows), error_limit=5))
    cannot = "no such file can be there"
    assert [each.reason for each in packed.left_out] == [
        "there is no such image",
        "there is no such image",
        f"{cannot}; found a link leads back to itself ({os.strerror(errno.ELOOP)})",
        "this is not the file of an image; found a folder",
        f"{cannot}; found {os.strerror(errno.ENAMETOOLONG)} (errno {errno.ENAMETOOLONG})",
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_root_that_goes_away_leaves_no_image_out(
    root: Path, listing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    job = passing(root, listing, error_limit=50, threads=threads)
    monkeypatch.setattr("pipeline.im2rec.pack.check_root", lambda root: root.rename(tmp_path / "b"))
    with pytest.raises(UsageError, match="no such folder of images"):
        pack(job)


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EMFILE, "Too many open files")])
def test_a_transform_for_which_there_is_no_memory_or_file_leaves_no_image_out(
    root: Path, listing: Path, error: Exception
) -> None:
    def fail(pixels: Pixels) -> Pixels:
        raise error

    with pytest.raises(EnvironmentRefused) as refusal:
        pack(encoding(root, listing, fail, error_limit=50))
    assert refusal.value.file == str(root / "0.jpg")
    assert refusal.value.place == f"line 1 of {listing}"


def test_what_a_transform_does_not_find_is_not_said_of_the_image(root: Path, listing: Path) -> None:
    def look_up(pixels: Pixels) -> Pixels:
        (root / "mask of none").read_bytes()
        return pixels

    with pytest.raises(BadImage, match=r"the transform .*look_up failed") as refusal:
        pack(encoding(root, listing, look_up))
    assert "FileNotFoundError" in (refusal.value.found or "")
    assert "mask of none" in (refusal.value.found or "")


def test_the_system_s_error_in_a_transform_names_the_transform(root: Path, listing: Path) -> None:
    def look_up(pixels: Pixels) -> Pixels:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), "/masks/7.png")

    with pytest.raises(EnvironmentRefused, match=r"the system failed .*look_up") as refusal:
        pack(encoding(root, listing, look_up, error_limit=50))
    assert "/masks/7.png" in (refusal.value.found or "")


def test_few_open_files_are_enough(root: Path, tmp_path: Path) -> None:
    rows = [(number, 0, f"{number % 12}.jpg") for number in range(24)]
    write_list(tmp_path / "a.lst", rows)
    words = command("im2rec", tmp_path / "a", root, "--pass-through", "--error-limit", 9)
    done = subprocess.run(
        ["bash", "-c", 'ulimit -n 20; exec "$@"', "bash", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(read(tmp_path / "a.rec"))) == (0, 24), done.stderr
