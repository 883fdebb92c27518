"""The values of options, read from text and checked: for those who have no click to do it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from pipeline.errors import UsageError
from pipeline.job.choices import say_meant
from pipeline.job.table.group import Kind
from pipeline.job.table.option import Option, Value

_WHOLE: Final = re.compile(r"-?[0-9]+")
_SHARE: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:e-[0-9]{1,2})?")


def text_of(option: Option) -> str:
    """Return the text that stands for the default of an option; `parsed` reverses it."""
    default = option.default
    if isinstance(default, tuple):
        return option.joined(default)
    return "" if default is None else str(default)


def parsed(option: Option, text: str) -> Value:
    """Return what a text means as the value of an option that is no switch.

    An empty text is no word of a list, and else that the option is not given.

    Raises:
        UsageError: it is no such value.
    """
    if option.repeats:
        given = option.words_of(text)
        if option.kind is Kind.CHOICE:
            check_words(option.flag, given, option.choices)
        return given
    if not text and not option.default:
        return option.default
    if option.kind is Kind.NUMBER:
        return _number(option, text)
    if option.kind is Kind.FRACTION:
        return _fraction(option, text)
    if option.kind is Kind.CHOICE:
        check_words(option.flag, [text], option.choices)
    return text


def check_value(option: Option, value: object, said: str) -> None:
    """Check a value that has a type already, such as one of a JSON document.

    Args:
        option: whose value it is.
        value: the value.
        said: what the message calls the option.

    Raises:
        UsageError: the option takes no such value.
    """
    if value is None and option.default is None:
        return
    if option.kind is Kind.NUMBER:
        whole = isinstance(value, int) and not isinstance(value, bool)
        _check_range(option, value if whole else None, said, json.dumps(value))
    else:
        known = (False, True) if option.kind is Kind.SWITCH else option.choices
        check_words(said, [value], (None, *known) if option.default is None else known)


def check_words(said: str, given: Iterable[object], known: Sequence[object]) -> None:
    """Check that words are known ones; names the one that was meant.

    Raises:
        UsageError: one is not.
    """
    texts = [word if isinstance(word, str) else json.dumps(word) for word in known]
    for word in given:
        # In Python 1 is True; in JSON it is not.
        if any(word == each and type(word) is type(each) for each in known):
            continue
        raise UsageError(
            f"{said} {word}: unknown",
            expected=", ".join(texts) or "none",
            found=str(word),
            remedy=say_meant(str(word), texts),
        )


def shard_counts(pairs: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Parse ``split=number`` pairs.

    Raises:
        UsageError: a pair is not of that form.
    """
    counts = []
    for pair in pairs:
        split, equals, count = pair.partition("=")
        if not equals or not count.isascii() or not count.isdigit():
            raise UsageError(f"--shards {pair}", expected="SPLIT=NUMBER", found=pair)
        counts.append((split, int(count)))
    if len(dict(counts)) < len(counts):
        raise UsageError("--shards is given twice for a split", found=", ".join(pairs))
    return tuple(counts)


def split_shares(pairs: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """Parse ``split=share`` pairs.

    Raises:
        UsageError: a pair is not of that form.
    """
    shares = []
    for pair in pairs:
        split, equals, share = pair.partition("=")
        if not equals or not split or not _SHARE.fullmatch(share):
            raise UsageError(
                f"--split {pair}",
                expected="SPLIT=SHARE, a share from 0 to 1",
                found=pair,
                remedy="such as --split train=0.9 --split validation=0.1",
            )
        shares.append((split, float(share)))
    return tuple(shares)


def _number(option: Option, text: str) -> int:
    number = int(text) if _WHOLE.fullmatch(text) else None
    _check_range(option, number, f"{option.flag} {text}", text)
    return int(text)


def _fraction(option: Option, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        said = f"{option.flag} {text}: not such a number"
        raise UsageError(said, expected="a number", found=text) from None


def _check_range(option: Option, number: object, said: str, shown: str) -> None:
    inside = isinstance(number, int) and (
        (option.least is None or number >= option.least)
        and (option.most is None or number <= option.most)
    )
    if not inside:
        least = "" if option.least is None else f" from {option.least}"
        most = "" if option.most is None else f" to {option.most}"
        raise UsageError(
            f"{said}: not such a number", expected=f"a whole number{least}{most}", found=shown
        )
