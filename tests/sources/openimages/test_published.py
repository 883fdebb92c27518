"""Published files of Open Images: looked for in RAW, verified, and fetched."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openimagesbucket as server
import pytest
from openimagesbucket import Bucket

from pipeline.errors import InputRefused, RemoteUnavailable
from pipeline.sources.openimages import published
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.storage import remote
from pipeline.storage.http import process
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer

BOXES = b"ImageID,Source,LabelName\n" + b"0123456789abcdef,xclick,/m/0k4j\n" * 9000
HURRIED = Patience(tries=3, few=2, first=0.0, longest=0.0, longest_asked=0.0)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    served = tmp_path / "served"
    served.mkdir()
    (served / "boxes.csv").write_bytes(BOXES)
    (served / "tree.json").write_bytes(b'{"LabelName": "/m/0bl9f"}')
    transfer = Transfer(patience=HURRIED)
    monkeypatch.setattr(remote, "transfer", lambda: transfer)
    monkeypatch.setattr(process, "transfer", lambda _: transfer)
    with Bucket(tmp_path, served) as serving:
        yield serving


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def boxes(bucket: Bucket) -> PublishedFile:
    return PublishedFile("v5/boxes.csv", len(BOXES), md5(BOXES), f"{bucket.files}/boxes.csv")


def cut_for_good(bucket: Bucket) -> None:
    """Cut the file, behind a look at its first bytes, and serve nothing more."""
    bucket.rule("boxes", server.cut_after(70_000), skip=1, times=1)
    bucket.rule("boxes", server.answer(503), skip=1)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def test_a_file_is_fetched_once(bucket: Bucket, boxes: PublishedFile, raw: Path) -> None:
    verified = published.fetch(boxes, raw)
    assert (verified.path, verified.md5, verified.url) == (raw / "boxes.csv", md5(BOXES), boxes.url)
    assert verified.path.read_bytes() == BOXES
    bucket.forget()
    assert published.fetch(boxes, raw).url == ""
    assert bucket.requests() == []
    assert names(raw) == ["boxes.csv"]


@pytest.mark.parametrize("place", ["boxes.csv", "csv/boxes.csv", "v5/boxes.csv"])
def test_a_file_is_taken_from_where_it_is(
    bucket: Bucket, boxes: PublishedFile, raw: Path, place: str
) -> None:
    (raw / place).parent.mkdir(parents=True)
    (raw / place).write_bytes(BOXES)
    raw.chmod(0o555)
    assert published.fetch(boxes, raw).path == raw / place
    raw.chmod(0o755)
    assert bucket.requests() == []


def test_a_download_that_was_cut_goes_on(bucket: Bucket, boxes: PublishedFile, raw: Path) -> None:
    cut_for_good(bucket)
    with pytest.raises(RemoteUnavailable):
        published.fetch(boxes, raw)
    assert not (raw / "boxes.csv").exists()
    came = sum(bucket.sent().values())
    bucket.forget()
    said: list[str] = []
    published.fetch(boxes, raw, say=said.append)
    assert (raw / "boxes.csv").read_bytes() == BOXES
    assert came > 0
    assert "going on with" in "\n".join(said)
    assert sum(bucket.sent().values()) < len(BOXES)
    assert names(raw) == ["boxes.csv"]


def test_a_file_without_a_pin_is_taken_as_it_is_and_begun_anew_after_a_cut(
    bucket: Bucket, raw: Path
) -> None:
    file = PublishedFile("boxes.csv", None, None, f"{bucket.files}/boxes.csv")
    cut_for_good(bucket)
    with pytest.raises(RemoteUnavailable):
        published.fetch(file, raw)
    bucket.forget()
    bucket.objects["files/boxes.csv"] = BOXES[::-1]
    assert published.fetch(file, raw).md5 == md5(BOXES[::-1])
    assert (raw / "boxes.csv").read_bytes() == BOXES[::-1]


def test_a_json_document_may_be_fetched(bucket: Bucket, raw: Path) -> None:
    file = PublishedFile("tree.json", None, None, f"{bucket.files}/tree.json")
    assert published.fetch(file, raw).path.read_bytes() == b'{"LabelName": "/m/0bl9f"}'


@pytest.mark.parametrize("act", [server.without_ranges, server.tagged("")])
def test_a_server_without_ranges_or_etags_will_do(
    bucket: Bucket, boxes: PublishedFile, raw: Path, act: server.Act
) -> None:
    bucket.rule("boxes", act)
    published.fetch(boxes, raw)
    assert (raw / "boxes.csv").read_bytes() == BOXES


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (server.page, "web page"),
        (server.absent, "no such"),
        (server.denied, "AccessDenied"),
        (server.answer(200, {}, BOXES[:-1]), "another size"),
        (server.answer(200, {}, BOXES.replace(b"x", b"y", 1)), "another file than the one"),
        (server.answer(416, {"Content-Range": "bytes */0"}), "without a byte"),
    ],
)
def test_what_is_not_the_file_is_refused_and_gets_no_name(
    bucket: Bucket, boxes: PublishedFile, raw: Path, act: server.Act, said: str
) -> None:
    bucket.rule("boxes", act)
    with pytest.raises(InputRefused, match=said) as caught:
        published.fetch(boxes, raw)
    assert caught.value.exit_status == 3
    assert f"get boxes.csv by hand from {boxes.url} and put it into {raw}" in str(caught.value)
    assert "--mirror" not in str(caught.value)
    assert "--header" not in str(caught.value)
    assert [name for name in names(raw) if not name.startswith(".")] == []


def test_a_file_that_changes_at_the_server_is_begun_anew(
    bucket: Bucket, boxes: PublishedFile, raw: Path
) -> None:
    bucket.rule("boxes", server.tagged('"older"'), times=1)
    published.fetch(boxes, raw)
    assert (raw / "boxes.csv").read_bytes() == BOXES


@pytest.mark.parametrize(
    ("content", "said"),
    [(BOXES[:-1], "broke off"), (BOXES.replace(b"x", b"y", 1), "another version")],
)
def test_another_file_in_its_place_is_refused_and_kept(
    boxes: PublishedFile, raw: Path, content: bytes, said: str
) -> None:
    raw.mkdir()
    (raw / "boxes.csv").write_bytes(content)
    with pytest.raises(InputRefused, match=said) as caught:
        published.fetch(boxes, raw)
    assert caught.value.file == str(raw / "boxes.csv")
    assert md5(BOXES) in str(caught.value.expected)
    (raw / "boxes.csv").rename(raw / "moved away")  # what the remedy says
    assert published.fetch(boxes, raw).md5 == md5(BOXES)


def test_offline_all_missing_files_are_named_at_once(
    bucket: Bucket, boxes: PublishedFile, raw: Path
) -> None:
    other = PublishedFile("labels.csv", None, None, "")
    with pytest.raises(InputRefused) as caught:
        published.check_all_there((boxes, other), raw)
    assert str(caught.value.expected).split("\n") == [
        f"boxes.csv ({len(BOXES):,} bytes) from {boxes.url}",
        "labels.csv (size not known) from nowhere",
    ]
    with pytest.raises(InputRefused, match="--offline"):
        published.fetch(boxes, raw, offline=True)
    raw.mkdir()
    (raw / "boxes.csv").write_bytes(BOXES)
    (raw / "labels.csv").write_bytes(b"")
    published.check_all_there((boxes, other), raw)
    assert bucket.requests() == []


def test_a_file_without_an_address_is_said_to_be_missing(boxes: PublishedFile, raw: Path) -> None:
    with pytest.raises(InputRefused, match="no address in the table of files"):
        published.fetch(replace(boxes, url=""), raw)
