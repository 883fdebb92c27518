"""The table of options: it and the fields of a job agree, and its digests are the true ones."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from typing import Any, get_type_hints

import msgspec
import pytest
from support import ROOT

from pipeline.errors import UsageError
from pipeline.images.prepare import ImageOptions
from pipeline.job.build import build_job, default_config
from pipeline.job.options import Job
from pipeline.job.selection_options import SelectionOptions
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import (
    COMMANDS,
    IMAGE_FIELDS,
    LIST,
    PACK,
    REMOTE_FIELDS,
    SET,
    Option,
)
from pipeline.job.table.options import OPTIONS, options_of
from pipeline.job.table.shards import NO_SHARDS
from pipeline.job.table.values import parsed
from pipeline.storage import RemoteOptions

JOB_FIELDS = {field.name for field in fields(Job)} - {"image", "remote", "openimages"}
JOB_FIELDS -= {"appended", "packed"}  # which follow from what is there, and from the command
OPEN_FIELDS = {f"openimages.{field.name}" for field in fields(SelectionOptions)}
TYPES = {
    name: kind
    for part in (Job, ImageOptions, RemoteOptions)
    for name, kind in get_type_hints(part, include_extras=True).items()
} | {
    f"openimages.{name}": kind
    for name, kind in get_type_hints(SelectionOptions, include_extras=True).items()
}


def test_the_options_decide_every_field_of_a_job_and_no_other() -> None:
    parts = (JOB_FIELDS, IMAGE_FIELDS, REMOTE_FIELDS, OPEN_FIELDS)
    assert sum(map(len, parts)) == len(frozenset().union(*parts))
    assert {option.field for option in OPTIONS if option.field} == frozenset().union(*parts)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_field_is_decided_by_one_option_of_a_command(command: str) -> None:
    options = options_of(command)
    assert len({option.flag for option in options}) == len(options)
    decided = Counter(option.field for option in options if option.field)
    steps = {option.flag for option in options if option.field == "steps"}
    assert steps <= {"--extract", "--until"}
    assert decided.pop("steps", 0) == len(steps)
    assert set(decided.values()) == {1}


def test_what_no_option_of_a_list_decides_is_not_of_lists() -> None:
    undecided = JOB_FIELDS - {option.field for option in options_of(LIST)}
    job = build_job(LIST, {"images": "/lists/a.lst", "out": "/out"})
    fixed = {"raw": "", "config": "", "boxes": False}
    for name in undecided:
        assert getattr(job, name) == fixed.get(name, getattr(Job, name, None))


def test_nothing_given_is_a_job_with_the_defaults_of_its_fields() -> None:
    assert build_job(SET, {"raw": "/raw", "out": "/out"}) == Job("/raw", "/out", default_config())
    listed = Job("", "/out", "", images="/l/a.lst", root="/l", steps=("shards",), boxes=False)
    assert build_job(LIST, {"images": "/l/a.lst", "out": "/out"}) == listed


def accepted(option: Option, value: object) -> bool:
    """Whether a recorded job may hold a value in the field of an option."""
    stored = [value] if option.repeats or option.field == "steps" else value
    try:
        msgspec.convert(stored, TYPES[option.field])
    except msgspec.ValidationError:
        return False
    return True


def sample(option: Option) -> Any:
    """Return a value of the kind of an option."""
    if option.kind is Kind.COUNTS:
        return ("train", 3)
    if option.kind is Kind.SHARES:
        return ("train", 0.5)
    samples = {Kind.NUMBER: option.least or 1, Kind.SWITCH: True, Kind.TEXT: "a", Kind.PATH: "/a"}
    return samples[option.kind]


def check_field(option: Option) -> None:
    """Fail unless an option takes what its field holds, and nothing else."""
    if not option.field:
        assert option.group is Group.RUN or not set(option.commands) & {*COMMANDS}
        return
    if option.kind is Kind.CHOICE:
        assert [word for word in option.choices if not accepted(option, word)] in ([], [NO_SHARDS])
        assert not accepted(option, "nonsense")
    elif option.flag == "--extract" or (option.field, option.kind) == ("shards", Kind.NUMBER):
        return  # a part of a field: test_same_words has them
    else:
        assert accepted(option, sample(option))
        assert not accepted(option, {"nonsense": 1})
    if option.kind is Kind.NUMBER:
        checked = bool(option.part)
        assert option.least is None or checked is (not accepted(option, option.least - 1))
        assert option.most is None or not accepted(option, option.most + 1)
    if option.default is not None and not option.repeats:
        assert accepted(option, option.default)


@pytest.mark.parametrize("group", Group)
def test_an_option_takes_what_its_field_holds(group: Group) -> None:
    options = [option for option in OPTIONS if option.group is group]
    assert options
    for option in options:
        check_field(option)


def test_help_answers_a_question() -> None:
    for option in OPTIONS:
        assert len(option.help.split()) >= 5, option
        assert option.help.endswith("."), option
        assert "picture" not in option.help.lower(), option
        commas = option.repeats and option.commas
        assert option.summary.endswith("repeat it, or use commas.") == commas, option
        repeated = option.repeats and not option.commas
        assert option.summary.endswith("Repeat it for several.") == repeated, option


def test_the_words_of_lists_hold_no_comma() -> None:
    assert [word for option in OPTIONS for word in option.choices if "," in word] == []


def test_a_job_with_other_images_options_holds_them() -> None:
    job = build_job(LIST, {"images": "/l/a.lst", "out": "/out", "quality": 80, "filter": "box"})
    assert job.image == replace(ImageOptions(), quality=80, filter="box")


def test_a_fraction_is_read_from_text_like_a_whole_number() -> None:
    ratio = next(option for option in options_of(PACK) if option.kind is Kind.FRACTION)
    assert parsed(ratio, "0.25") == 0.25
    with pytest.raises(UsageError, match=f"{ratio.flag} half: not such a number"):
        parsed(ratio, "half")


def test_the_options_of_im2rec_are_known_without_those_of_a_job() -> None:
    code = "import sys, pipeline.job.table.im2rec; print('pipeline.job.options' in sys.modules)"
    words = [sys.executable, "-c", code]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"  # which imports every format and export
