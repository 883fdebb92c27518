"""Command lines of ``shardmill im2rec`` as tutorials and older versions of im2rec.py have them."""

from __future__ import annotations

import io
from pathlib import Path

import click
import pytest
from PIL import Image

from pipeline import manifest
from pipeline.errors import BadImage, UsageError
from pipeline.formats.recordio.shard import read_records
from tasks.cli.im2rec import im2rec
from tasks.cli.verify import verify


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``img/c/0.jpg``, ``img/c/1.jpg`` and ``a.lst``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img" / "c").mkdir(parents=True)
    output = io.BytesIO()
    Image.new("RGB", (9, 9)).save(output, "JPEG")
    for number in range(2):
        (tmp_path / "img" / "c" / f"{number}.jpg").write_bytes(output.getvalue())
    (tmp_path / "a.lst").write_text("0\t0\tc/0.jpg\n1\t0\tc/1.jpg\n")
    return tmp_path


def call(*words: str) -> int:
    status: int = im2rec.main([*words, "--num-thread", "1"], standalone_mode=False)
    return status


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a img --pack-label True", "--pack-label takes no value, and is followed by True"),
        ("--pass-through 1 a img", "--pass-through takes no value, and is followed by 1"),
        ("--list True --recursive True p img", "--list takes no value, and is followed by True"),
        ("--list true p", "--list takes no value"),
        ("--recursive=True --list p img", "--recursive takes no value"),
        ("a img --pass-through=1", "--pass-through takes no value"),
        ("a img --center-crop=False", "say --center-crop alone, or leave it out"),
        ("a img \u2013center-crop", "begins with a long dash, as web pages have it: type --center"),
        ("a img \u2014resize=3", "type --resize"),
        ("a img \u2212-quality 9", "type --quality"),
        ("--list p img --shuffle 1", "lists are shuffled unless you say --no-shuffle"),
        ("--list p img --shuffle=False", "lists are shuffled unless you say --no-shuffle"),
    ],
)
def test_words_of_older_versions_are_named(work: Path, words: str, said: str) -> None:
    before = sorted(work.rglob("*"))
    with pytest.raises(click.UsageError) as refusal:
        call(*words.split())
    assert said in refusal.value.format_message()
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        "a img --pack-label --pass-through",  # the remedies
        "--center-crop a img",
        "--list --recursive p img",
        "--list p img/c --no-shuffle",
    ],
)
def test_words_as_they_are_meant_are_taken(work: Path, words: str) -> None:
    assert call(*words.split()) == 0


def test_a_prefix_may_be_a_number(work: Path) -> None:
    (work / "a.lst").rename(work / "1.lst")
    assert call("--pass-through", "1", "img") == 0


@pytest.mark.parametrize("words", ["a absent", "a a.lst", "a.lst absent out.rec"])
def test_a_root_that_is_no_folder_is_named(work: Path, words: str) -> None:
    with pytest.raises(UsageError, match="no such folder of images") as refusal:
        call(*words.split())
    assert refusal.value.file == str(work / words.split()[1])


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_a_name_with_a_slash_lies_below_the_root_of_im2rec_cc(work: Path, slashes: str) -> None:
    (work / "b.lst").write_text(f"0\t0\t{slashes}c/0.jpg\n1\t0\tc/1.jpg\n")
    assert call("b.lst", "img", "b.rec", "unchanged=1") == 0
    assert call("b.lst", "img/", "c.rec", "resize=4") == 0
    assert len(list(read_records(work / "b.rec"))) == 2
    assert manifest.load(work / "b.manifest.json")["parameters"]["below_root"] is True
    assert verify.main(["b.rec", "--against", "img"], standalone_mode=False) == 0
    with pytest.raises(BadImage, match="no such image"):  # im2rec.py takes it for absolute
        call("b", "img")


def test_an_absolute_name_is_taken_where_the_root_is_the_first_slash_or_nothing(work: Path) -> None:
    (work / "b.lst").write_text(f"0\t0\t{work}/img/c/0.jpg\n")
    for root in ("/", ""):
        assert call("b.lst", root, "b.rec", "unchanged=1") == 0
    with pytest.raises(BadImage) as refusal:
        call("b.lst", "img", "b.rec", "unchanged=1")
    assert "/ as ROOT" in str(refusal.value.remedy)


@pytest.mark.parametrize("out", ["o.rec/", "img/", "new/.", "..", ""])
def test_an_output_that_is_the_path_of_a_folder_is_refused(work: Path, out: str) -> None:
    before = sorted(work.rglob("*"))
    with pytest.raises(UsageError, match="the output needs a name") as refusal:
        call("a.lst", "img", out, "unchanged=1")
    assert refusal.value.exit_status == 2
    assert sorted(work.rglob("*")) == before
