"""MXNet's own im2rec.py makes the same lists of the same folder, and reads lists alike."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support import ROOT

from pipeline.errors import BadAnnotation
from pipeline.sources.imagelist import lst
from pipeline.sources.imagelist.folder import (
    EXTENSIONS,
    Division,
    divide,
    folder_lines,
    list_pieces,
    scan,
)

PYTHON = os.environ.get("SHARDMILL_MXNET_PYTHON", str(ROOT / ".venv-mxnet/bin/python"))
FIND = """
import importlib.util
print(importlib.util.find_spec("mxnet").submodule_search_locations[0], end="")
"""
READ = """
import contextlib, json, runpy, sys
with contextlib.redirect_stdout(sys.stderr):
    read_list = runpy.run_path(sys.argv[1])["read_list"]
    found = [[item[0], item[2:], item[1]] for item in read_list(sys.argv[2])]
json.dump(found, sys.stdout)
"""
pytestmark = pytest.mark.skipif(
    not Path(PYTHON).exists(), reason="MXNet 1.9.1 lives in an environment of its own: make interop"
)
NAMES = ["b.jpg", "a.JPG", "plain.png", "B.jpeg", "readme.txt", "x.jpg.txt", "n.gif", "日本.png"]
FOLDERS = ["", "cat", "cat/deep", "cat-2", "cat é", "git", "empty/inner", "Zoo"]
RECURSIVE = ["--recursive", "--no-shuffle"]
LINES = [
    "0\t464.000000\tn04/a.JPEG",
    "7\t4\t5\t0.25\t-1e-3\tb.JPEG\r",
    "  18446744073709551615 \t 1. \t/data/my photos/ü.jpg ",
    "+3\t+.5E1\tc",
    "",
    "4\t0.1\t2 d.jpg",
]


@pytest.fixture(scope="module")
def im2rec() -> Path:
    """Where the program lies."""
    run = subprocess.run([PYTHON, "-c", FIND], capture_output=True, text=True, check=True)
    return Path(run.stdout, "tools", "im2rec.py")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of names of images, of folders with and without any, and of links."""
    found = tmp_path_factory.mktemp("images") / "root"
    for number, folder in enumerate(FOLDERS):
        (found / folder).mkdir(parents=True)
        for name in NAMES[number % 3 :: 1 + number % 2] if folder != "empty/inner" else []:
            (found / folder / name).touch()  # nobody opens it
    store = found.with_name("store")
    store.mkdir()
    (store / "linked.jpg").touch()
    (found / "linked").symlink_to(store)
    (found / "Zoo" / "link.png").symlink_to(store / "linked.jpg")
    (found / "Zoo" / "broken.png").symlink_to(store / "nothing")
    return found


@pytest.mark.parametrize(
    ("flags", "division"),
    [
        ([], Division()),
        (["--no-shuffle"], Division(seed=None)),
        (["--recursive"], Division()),
        (RECURSIVE, Division(seed=None)),
        (["--recursive", "--chunks", "4"], Division(chunks=4)),
        (["--no-shuffle", "--chunks", "9"], Division(chunks=9, seed=None)),
        (["--recursive", "--train-ratio", "0.7"], Division(train=0.7)),
        (
            ["--recursive", "--chunks", "3", "--train-ratio", "0.55", "--test-ratio", "0.3"],
            Division(chunks=3, train=0.55, test=0.3),
        ),
        (
            [*RECURSIVE, "--train-ratio", "0.71", "--test-ratio", "0.29"],
            Division(train=0.71, test=0.29, seed=None),
        ),
        ([*RECURSIVE, "--exts", ".gif", ".png"], Division(seed=None)),
        (["--recursive", "--train-ratio", "0", "--test-ratio", "1"], Division(train=0, test=1)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_lists_are_those_of_im2rec_byte_for_byte(
    im2rec: Path, root: Path, tmp_path: Path, flags: list[str], division: Division
) -> None:
    command = [PYTHON, str(im2rec), "--list", str(tmp_path / "set"), str(root), *flags]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    extensions = flags[flags.index("--exts") + 1 :] if "--exts" in flags else EXTENSIONS
    listing = scan(root, recursive="--recursive" in flags, extensions=extensions)
    lists = divide(len(listing.paths), division)
    assert sum(map(len, lists.values())) > 0
    expected = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert expected == {
        f"set{name}": b"".join(list_pieces(listing, rows)) for name, rows in lists.items()
    }
    assert run.stdout == folder_lines(listing)


def test_lines_are_read_as_im2rec_reads_them(im2rec: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.lst"
    path.write_text("\n".join(LINES), encoding="utf-8", newline="")
    found = [
        [row["id"], row["labels"], row["path"]]
        for table in lst.read(path)
        for row in table.to_pylist()
    ]
    assert found == [
        [key, pytest.approx(labels, rel=2**-24), name] for key, labels, name in read(im2rec, path)
    ]
    assert len(found) == len(LINES) - 1


@pytest.mark.parametrize("line", ["x\t0\ta.jpg", "1\tx\ta.jpg", "1\ta.jpg", "1.5\t0\ta.jpg"])
def test_what_im2rec_passes_over_is_refused(im2rec: Path, tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.lst"
    path.write_text(f"0\t0\ta.jpg\n{line}\n")
    assert read(im2rec, path) == [[0, [0], "a.jpg"]]
    with pytest.raises(BadAnnotation) as refusal:
        list(lst.read(path))
    assert refusal.value.place == "line 2"


@pytest.mark.parametrize("line", ["-1\t0\ta.jpg", "1\t1e39\ta.jpg", "1\t16777217\ta.jpg"])
def test_what_im2rec_takes_and_no_record_can_hold_is_refused(
    im2rec: Path, tmp_path: Path, line: str
) -> None:
    path = tmp_path / "a.lst"
    path.write_text(f"{line}\n")
    assert len(read(im2rec, path)) == 1
    with pytest.raises(BadAnnotation) as refusal:
        list(lst.read(path))
    assert refusal.value.place == "line 1"


def read(im2rec: Path, path: Path) -> list[list[object]]:
    """Read a list with im2rec's own function: [id, labels, path] of each line that it can."""
    run = subprocess.run(
        [PYTHON, "-c", READ, im2rec, path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found: list[list[object]] = json.loads(run.stdout)
    return found
