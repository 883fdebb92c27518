"""Which part of the shards a process writes: part I of N, from 0, by itself or as an array says.

An array is what Slurm, AWS Batch and Kubernetes call many copies of one job; each tells a copy its
number in variables of its environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.errors import UsageError

AUTO: Final = "auto"
"""The part that stands in the environment."""
PARTS_VARIABLE: Final = "SHARDMILL_PARTS"
"""How many parts there are, where an array tells its copies their number alone."""
_GIVEN: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_EXPECTED: Final = f"I/N, such as 0/4, with I from 0 to N - 1; or {AUTO}"


@dataclass(frozen=True)
class Part:
    """Part `index` of `count`; the parts are counted from 0."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def own(self, shards: int) -> range:
        """Return the numbers of its own shards, of so many: those that are `index` modulo N."""
        return range(self.index, shards, self.count)


def parse(given: str, environment: Mapping[str, str]) -> Part:
    """Return the part that an option says.

    Args:
        given: its value.
        environment: of the process.

    Raises:
        UsageError: it says none, or the environment does not.
    """
    if given == AUTO:
        return _of_environment(environment)
    match = _GIVEN.fullmatch(given)
    if match is None:
        raise UsageError(f"--part {given}: no part", expected=_EXPECTED, found=given)
    return _checked(int(match[1]), int(match[2]), f"--part {given}", given)


def _checked(index: int, count: int, what: str, found: str) -> Part:
    if index < count:
        return Part(index, count)
    counted = "parts are counted from 0" if index == count and count else "there is no such part"
    last = f"0/{count} to {count - 1}/{count}" if count else "at least one part: 0/1"
    raise UsageError(f"{what}: {counted}", expected=last, found=found)


def _of_environment(environment: Mapping[str, str]) -> Part:
    for variable, read in _ARRAYS.items():
        if variable in environment:
            return read(environment)
    raise UsageError(
        f"--part {AUTO}: this is no element of an array",
        expected=f"one of the variables {', '.join(_ARRAYS)}",
        found="none of them",
        remedy="say --part I/N, with I from 0",
    )


def _of_slurm(environment: Mapping[str, str]) -> Part:
    """Return the part of an array of Slurm: (ID - MIN) / STEP of COUNT."""
    names = ("ID", "MIN", "STEP", "COUNT")
    number, first, step, count = (_number(environment, f"SLURM_ARRAY_TASK_{n}") for n in names)
    found = f"ID {number}, MIN {first}, STEP {step}, COUNT {count}"
    if step == 0 or number < first or (number - first) % step:
        raise UsageError(
            f"--part {AUTO}: the numbers of Slurm's array have no even steps",
            expected="an array such as --array=0-99, or 0-198:2",
            found=found,
            remedy="submit such an array, or say --part I/N",
        )
    return _checked((number - first) // step, count, f"--part {AUTO}", found)


def _of_batch(environment: Mapping[str, str]) -> Part:
    return _of_index(environment, "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE")


def _of_kubernetes(environment: Mapping[str, str]) -> Part:
    return _of_index(environment, "JOB_COMPLETION_INDEX", PARTS_VARIABLE)


def _of_index(environment: Mapping[str, str], index: str, size: str) -> Part:
    number, count = _number(environment, index), _number(environment, size)
    return _checked(number, count, f"--part {AUTO}", f"{index} {number}, {size} {count}")


def _number(environment: Mapping[str, str], name: str) -> int:
    """Return the number in a variable.

    Raises:
        UsageError: there is none.
    """
    given = environment.get(name)
    if given is not None and _NUMBER.fullmatch(given):
        return int(given)
    raise UsageError(
        f"--part {AUTO}: {name} does not say a number",
        expected="a whole number, from 0",
        found="it is not set" if given is None else given,
        remedy=f"set {name} to it, or say --part I/N",
    )


_ARRAYS: Final[Mapping[str, Callable[[Mapping[str, str]], Part]]] = {
    "SLURM_ARRAY_TASK_ID": _of_slurm,
    "AWS_BATCH_JOB_ARRAY_INDEX": _of_batch,  # before Kubernetes, on which Batch can run
    "JOB_COMPLETION_INDEX": _of_kubernetes,
}
"""By the variable that shows that there is an array: what reads the part."""
