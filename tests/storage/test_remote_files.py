"""What is known of many objects below an address, and which of them a path of a list means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pipeline.storage import ABSENT, Remote, remote, remote_files
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.location import object_name

STORE = Remote("s3", "bucket", "images")
WEB = Remote("https", "host", "images")
THERE = {"a.jpg": FileInfo(3, "one"), "b/c d.jpg": FileInfo(0, "two"), "ü.jpg": FileInfo(7, "")}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a store and a web server were asked for, instead of asking any."""
    questions = list[str]()

    def walk(root: Remote) -> Iterator[tuple[str, FileInfo]]:
        questions.append(f"list {root}")
        yield from THERE.items()

    def ask(root: Remote, names: Sequence[str]) -> list[FileInfo | None]:
        questions.extend(f"{root / name}" for name in names)
        return [THERE.get(name) for name in names]

    monkeypatch.setattr(remote, "walk", walk)
    monkeypatch.setattr(remote, "ask", ask)
    remote_files.forget()
    yield questions
    remote_files.forget()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("./a//b.jpg", "a/b.jpg"),
        ("a/./b.jpg/", "a/b.jpg"),
        ("a b/ü.jpg", "a b/ü.jpg"),
        ("../b.jpg", None),
        ("a/../b.jpg", None),
        ("/a/b.jpg", None),
        ("./", None),
        ("", None),
    ],
)
def test_a_path_means_the_object_that_it_would_mean_in_a_folder(
    path: str, name: str | None
) -> None:
    assert object_name(path) == name


def test_a_store_is_listed_once_until_it_is_to_be_looked_at_anew(asked: list[str]) -> None:
    names = ["b/c d.jpg", "./a.jpg", "none", "../a.jpg", "/a.jpg", "ü.jpg"]
    one, two = THERE["a.jpg"], THERE["b/c d.jpg"]
    absent = (-1, ABSENT)
    expected = [(0, two.number), (3, one.number), absent, absent, absent, (7, 0)]
    for _ in range(2):
        assert remote_files.file_stamps(STORE, names) == expected
    assert asked == ["list s3://bucket/images"]
    remote_files.forget()
    assert remote_files.file_stamps(STORE, ["a.jpg"]) == [(3, one.number)]
    assert len(asked) == 2


def test_nothing_is_in_an_empty_listing(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "walk", lambda _root: iter(()))
    assert remote_files.file_stamps(STORE, ["a.jpg", ".."]) == [(-1, ABSENT)] * 2


def test_a_web_server_is_asked_once_for_each_file(asked: list[str]) -> None:
    one = THERE["a.jpg"]
    for _ in range(2):
        found = remote_files.file_stamps(WEB, ["a.jpg", "a.jpg", "x", "..", "./a.jpg"])
        assert found == [(3, one.number)] * 2 + [(-1, ABSENT)] * 2 + [(3, one.number)]
    assert sorted(asked) == ["https://host/images/a.jpg", "https://host/images/x"]
