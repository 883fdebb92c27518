"""Luigi's command and shardmill take the same words, and understand the same by them."""

from __future__ import annotations

import click
import pytest
from optionwords import (
    REQUIRED,
    Words,
    by_click,
    by_luigi,
    by_luigi_from_python,
    examples,
    of_jobs,
    refused,
)

from pipeline.errors import UsageError
from pipeline.job.build import command_words
from pipeline.job.table.option import SET, Option

GIVEN = [(name, words) for name, option in of_jobs() for words in examples(option)]
REFUSED = [(name, words) for name, option in of_jobs() for words in refused(option)]


def shown(value: object) -> str | None:
    if isinstance(value, Option):
        return value.flag
    return " ".join(value) if isinstance(value, tuple) else None


def whole(command: str, words: Words) -> Words:
    """Return words with the required options that are not among them."""
    pairs = zip(REQUIRED[command][::2], REQUIRED[command][1::2], strict=True)
    return (*(word for pair in pairs if pair[0] != words[0] for word in pair), *words)


@pytest.mark.parametrize(("command", "words"), GIVEN, ids=shown)
def test_an_option_means_the_same_to_luigi_and_to_the_command(command: str, words: Words) -> None:
    given = whole(command, words)
    assert by_luigi(command, given) == by_click(command, given)


@pytest.mark.parametrize(("command", "words"), GIVEN, ids=shown)
def test_a_job_is_printed_as_the_command_that_asks_for_it(command: str, words: Words) -> None:
    job = by_click(command, whole(command, words))
    printed = command_words(job)
    assert printed is not None
    program, name, *rest = printed
    assert (program, name) == ("shardmill", command)
    assert by_click(command, tuple(rest)) == job


@pytest.mark.parametrize(("command", "option"), of_jobs(), ids=shown)
def test_some_words_of_each_option_change_the_job(command: str, option: Option) -> None:
    plain = by_click(command, REQUIRED[command])
    jobs = [by_click(command, whole(command, words)) for words in examples(option)]
    only_one_step = option.choices == ("shards",)
    assert any(job != plain for job in jobs) != only_one_step


@pytest.mark.parametrize(("command", "words"), REFUSED, ids=shown)
def test_what_luigi_refuses_the_command_refuses(command: str, words: Words) -> None:
    given = whole(command, words)
    with pytest.raises(UsageError):
        by_luigi_from_python(command, given)
    with pytest.raises((UsageError, click.UsageError)):
        by_click(command, given)


def test_luigi_takes_the_former_name_of_an_option_too() -> None:
    given = whole(SET, ("--with", "test"))
    former = whole(SET, ("--extras", "test"))
    assert by_luigi(SET, former) == by_click(SET, given)
    assert by_luigi(SET, (*given, "--extras", "devkit")).extras == ("test", "devkit")


def test_a_switch_and_its_opposite_are_refused_by_luigi() -> None:
    with pytest.raises(UsageError, match="contradict"):
        by_luigi(SET, whole(SET, ("--boxes", "--no-boxes")))


def test_options_of_images_may_be_one_document_but_not_twice() -> None:
    document = whole(SET, ("--image", '{"resize": 256, "color": -1}'))
    plain = whole(SET, ("--resize", "256", "--color", "-1"))
    assert by_luigi(SET, document) == by_click(SET, plain)
    with pytest.raises(UsageError, match="--quality is given"):
        by_luigi(SET, whole(SET, ("--image", '{"quality": 90}', "--quality", "80")))
