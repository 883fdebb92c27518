"""Classes of a label table, found by words, ids and numbers."""

from __future__ import annotations

from pathlib import Path

import commands
import pytest
from support import ROOT

from pipeline.catalog.classes import LabelTable
from pipeline.errors import UsageError
from pipeline.sources.ilsvrc2012 import numbered_classes
from pipeline.sources.ilsvrc2012.numbered_classes import find

SHIPPED = ROOT / "config" / "ilsvrc2012.toml"
TABLE = LabelTable(
    Path("table.tsv"),
    ("n00000001", "n00000002", "n00000003", "pets"),
    ("assault rifle, assault gun", "gunny sack", "Gun, firearm", "a\x1b[31m cat"),
    {"set_id": ("3", "1", "2", "none"), "images": ("10", "20", "30", "40")},
)


def ids(words: str, offset: int | None = None) -> list[str]:
    return [each.class_id for each in find(words, TABLE, offset)]


def test_the_class_that_is_called_just_so_comes_first_and_parts_of_words_last() -> None:
    assert ids("gun") == ["n00000003", "n00000001", "n00000002"]
    assert ids("ASSAULT rif") == ["n00000001"]


@pytest.mark.parametrize(("words", "found"), [("pets", "pets"), ("n00000002", "n00000002")])
def test_an_id_is_one_class(words: str, found: str) -> None:
    assert ids(words) == [found]


def test_a_number_is_looked_up_in_every_convention() -> None:
    assert ids("2") == ["n00000002", "n00000003"]  # from 1; from 0, and the publishers' own
    assert ids("3") == ["n00000001", "n00000003", "pets"]
    assert ids("101", 100) == ["n00000002"]


@pytest.mark.parametrize(
    ("words", "near"), [("firarm", "firearm (n00000003)"), ("101", "4 classes"), (" ", "4 classes")]
)
def test_what_no_class_is_called_names_those_that_are_near(words: str, near: str) -> None:
    with pytest.raises(UsageError, match="no such class") as refused:
        find(words, TABLE)
    assert near in str(refused.value.expected)


def test_the_command_says_every_number_of_a_class() -> None:
    run = commands.shardmill("classes", "n01440764", "--label-offset", "-5")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        "n01440764 tench, Tinca tinca",
        "  from 0:           0, as torchvision, MXNet and tfds count",
        "  from 1:           1, as in TFRecord, where 0 is the background",
        "  offset:           -5, with --label-offset -5",
        "  ilsvrc2012_id:    449, or 448 where that is counted from 0",
        "  num_train_images: 1300",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("gun", "--dataset", "imagenet"),
        ("gun", "--config", SHIPPED),
        ("n04086273",),
        ("763",),
        ("revolver", "--dataset", "imagenet", "--config", SHIPPED),
    ],
)
def test_which_data_set_is_meant_follows_from_what_is_given(words: tuple[object, ...]) -> None:
    run = commands.shardmill("classes", *words)
    assert run.returncode == 0
    assert "n04086273 revolver, six-gun, six-shooter\n" in run.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gun", "--dataset", "imagenet", "--counts"), "--counts: of Open Images only"),
        (("gun", "--label-offset", "1"), "--label-offset: of ILSVRC2012"),
        (("gun", "--dataset", "imagenet", "--config", "absent.toml"), "no such configuration file"),
        (("tnch", "--dataset", "imagenet"), "tench (n01440764)"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], said: str) -> None:
    run = commands.shardmill("classes", *words)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr


def test_words_of_a_table_are_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbered_classes, "table_of", lambda _config: TABLE)
    run = commands.shardmill("classes", "cat", "--dataset", "imagenet")
    assert run.stdout.startswith(r"pets a\x1b[31m cat")
    assert "\x1b" not in run.stdout
