"""The errors: one tree, drawn in the module's docstring; messages; records."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

from pipeline import errors
from pipeline.documents.decoding import decoded
from pipeline.documents.records import ErrorRecord
from pipeline.errors import (
    BadImage,
    LinkLoop,
    NameTooLong,
    ShardmillError,
    TransientError,
    Unreachable,
    from_record,
)
from pipeline.plaintext import Lines


def tree(kind: type[ShardmillError] = ShardmillError) -> list[type[ShardmillError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


def drawn() -> dict[str, tuple[str | None, int]]:
    """Class -> (parent, exit status), as the docstring of the module draws them."""
    found: dict[str, tuple[str | None, int]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"([ │├└─]{4,})([A-Z]\w+)(?: +status (\d))?(?: .*)?", line)
        if match:
            depth, name, status = len(match[1]), match[2], match[3]
            above = [entry for entry in above if entry[0] < depth]
            parent = above[-1][1] if above else None
            inherited = found[parent][1] if parent else ShardmillError.exit_status
            found[name] = (parent, int(status or inherited))
            above.append((depth, name))
    return found


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    real = {kind.__name__: (kind.__bases__[0].__name__, kind.exit_status) for kind in tree()}
    assert drawn() == real | {"ShardmillError": (None, ShardmillError.exit_status)}


@pytest.mark.parametrize("kind", tree())
def test_only_a_transient_error_is_worth_another_try(kind: type[ShardmillError]) -> None:
    again = issubclass(kind, TransientError) and kind not in {
        NameTooLong,
        LinkLoop,
        Unreachable,
    }
    assert kind.permanent is not again


@pytest.mark.parametrize("kind", tree())
def test_an_error_survives_its_record_and_a_process_boundary(kind: type[ShardmillError]) -> None:
    error = kind("it broke", file="ä.tar", place="byte 3", expected="a", found="b", remedy="c")
    for copy in (
        from_record(json.loads(json.dumps(error.to_record()))),
        pickle.loads(pickle.dumps(error)),  # noqa: S301 - our own bytes
    ):
        assert type(copy) is kind
        assert copy.to_record() == error.to_record()
        assert copy.args == (str(error),)


def test_a_record_of_an_unknown_kind_is_an_error_all_the_same() -> None:
    error = from_record({"type": "OfANewerVersion", "what": "it broke"})
    assert type(error) is ShardmillError
    assert str(error) == "it broke"
    assert str(from_record({})) == "unknown error"


def test_a_message_names_the_file_and_then_each_detail_on_a_line() -> None:
    place = Lines.of("xy")
    error = BadImage("no image", file="a.tar", place=place, expected="a JPEG", remedy="drop it")
    assert str(error).splitlines() == [
        "a.tar: no image",
        "  place:    x",
        "            y",
        "  expected: a JPEG",
        "  to do:    drop it",
    ]


def test_names_of_others_forge_no_line_of_a_message() -> None:
    name = "x\neverything is as it was written\x1b[2J"
    error = BadImage("no image", file=name, place=name, found=Lines.of((name, "y")))
    for copy in (error, from_record(json.loads(json.dumps(error.to_record())))):
        assert str(copy).split("\n") == [
            r"x\neverything is as it was written\x1b[2J: no image",
            r"  place:    x\neverything is as it was written\x1b[2J",
            r"  found:    x\neverything is as it was written\x1b[2J",
            r"            y",
        ]


def test_a_record_with_lines_has_the_shape_that_is_read_back() -> None:
    error = BadImage("no image", place=Lines.of(("a", "b")), remedy="drop it")
    content = json.dumps(error.to_record()).encode()
    copy = from_record(decoded(content, ErrorRecord, Path("record")))
    assert (type(copy), str(copy)) == (BadImage, str(error))


def test_a_message_without_details_is_one_line() -> None:
    assert str(ShardmillError("it broke")) == "it broke"
