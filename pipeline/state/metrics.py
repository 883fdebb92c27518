"""Figures of one command as text for Prometheus, and what of an earlier text stays true.

The format is the text format 0.0.4 that Prometheus' node exporter reads from files. All figures
are gauges: a file is written by one command after another, and each begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

Labels = tuple[tuple[str, str], ...]
"""Names and values of labels."""

FIRST_WORDS: Final = "# HELP shardmill_"
"""What a file of these figures begins with."""
_SUCCESS: Final = "shardmill_last_success_timestamp_seconds"
_END: Final = "shardmill_last_end_timestamp_seconds"
_STATUS: Final = "shardmill_last_exit_status"


@dataclass(frozen=True)
class OutputFigures:
    """How far one output is.

    Attributes:
        split: name of the split.
        format: shard format.
        images: images in finished shards, or counted by a shard that is being written.
        images_planned: all images.
        shards: finished shards.
        shards_planned: all shards.
        bytes: bytes of what is written.
        left_out: images that are in no shard; known of a finished output, else None.
        shards_kept: of an output that shards were appended to, those that were there; of others,
            and as long as it is not finished, None, as all that follows.
        shards_rewritten: those that were written again.
        shards_new: those that new images got.
        images_new: images that were not there.
        images_changed: images that are others than they were.
        images_gone: images that are not there any more.
    """

    split: str
    format: str
    images: int
    images_planned: int
    shards: int
    shards_planned: int
    bytes: int
    left_out: int | None = None
    shards_kept: int | None = None
    shards_rewritten: int | None = None
    shards_new: int | None = None
    images_new: int | None = None
    images_changed: int | None = None
    images_gone: int | None = None


@dataclass(frozen=True)
class StepFigures:
    """What the finished tasks of one step took, from the first start to the last end."""

    step: str
    tasks: int
    seconds: float
    images: int
    bytes: int


@dataclass(frozen=True)
class Ends:
    """How commands that wrote into this file have ended.

    Attributes:
        success: when one was last complete, seconds since the epoch; None: not known.
        end: when one last ended.
        status: the exit status of that one.
    """

    success: float | None = None
    end: float | None = None
    status: int | None = None

    def then(self, now: float, status: int, *, is_success: bool) -> Ends:
        """Return what is known when a command has ended now."""
        return Ends(now if is_success else self.success, now, status)


@dataclass(frozen=True)
class Metrics:
    """The figures of one command.

    Attributes:
        started: when it began, seconds since the epoch.
        is_running: whether it has not ended.
        ends: of this command, if it has ended, and of those before.
        outputs: those that it makes, as far as they are known.
        steps: those that it has taken.
        failures: how many errors of each kind it ends with.
    """

    started: float
    is_running: bool
    ends: Ends
    outputs: tuple[OutputFigures, ...] = ()
    steps: tuple[StepFigures, ...] = ()
    failures: Mapping[str, int] | None = None

    def text(self) -> str:
        """Return the figures, a line each, each metric behind its help and type."""
        return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from _metric("shardmill_running", "Whether the command is at work.", self.is_running)
        yield from _metric(
            "shardmill_start_timestamp_seconds", "When the command began.", self.started
        )
        for name, words, value in (
            (_SUCCESS, "When a command was last complete.", self.ends.success),
            (_END, "When a command last ended.", self.ends.end),
            (_STATUS, "The exit status of the command that ended last.", self.ends.status),
        ):
            if value is not None:
                yield from _metric(name, words, value)
        for field, words in (_OF_OUTPUTS | OF_APPENDS).items():
            values = [(_of_output(each), getattr(each, field)) for each in self.outputs]
            known = [(labels, value) for labels, value in values if value is not None]
            yield from _family(f"shardmill_{field}", words, known)
        for field, words in _OF_STEPS.items():
            steps = [((("step", each.step),), getattr(each, field)) for each in self.steps]
            yield from _family(f"shardmill_step_{field}", words, steps)
        kinds = sorted((self.failures or {}).items())
        counts = [((("kind", kind),), float(count)) for kind, count in kinds]
        words = "Errors that the command ended with, by their kind."
        yield from _family("shardmill_failures", words, counts)


_OF_OUTPUTS: Final = {
    "images": "Images in finished shards and in those that are being written.",
    "images_planned": "Images that the output is to hold.",
    "shards": "Finished shards.",
    "shards_planned": "Shards that the output is to have.",
    "bytes": "Bytes of what is written of the output.",
    "left_out": "Images that were left out of the finished output.",
}
OF_APPENDS: Final = {
    "shards_kept": "Shards of the earlier output that an append kept.",
    "shards_rewritten": "Shards that an append wrote again.",
    "shards_new": "Shards that an append made of new images.",
    "images_new": "Images that an append found to be new.",
    "images_changed": "Images that an append found to be others than they were.",
    "images_gone": "Images that an append did not find any more.",
}
_OF_STEPS: Final = {
    "seconds": "Seconds from the start of the first task of the step to the end of the last.",
    "tasks": "Finished tasks of the step.",
    "images": "Images that these tasks handled.",
    "bytes": "Bytes that these tasks handled.",
}


def ends_in(text: str) -> Ends:
    """Return what the text of an earlier command says of ends; nothing where it cannot be read."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name in {_SUCCESS, _END, _STATUS}:
            try:
                found[name] = float(value)
            except ValueError:
                return Ends()
    status = found.get(_STATUS)
    whole = int(status) if status is not None and status.is_integer() else None
    return Ends(found.get(_SUCCESS), found.get(_END), whole)


def is_of_metrics(text: str) -> bool:
    """Whether a text is one of these, or empty: what else stands in a file is somebody else's."""
    return not text or text.startswith(FIRST_WORDS)


def _of_output(output: OutputFigures) -> Labels:
    return (("split", output.split), ("format", output.format))


def _metric(name: str, words: str, value: float) -> Iterator[str]:
    return _family(name, words, [((), value)])


def _family(name: str, words: str, values: Iterable[tuple[Labels, float]]) -> Iterator[str]:
    """Yield the lines of a metric; none where nothing is known of it."""
    lines = [f"{name}{_labelled(labels)} {_number(value)}\n" for labels, value in values]
    if lines:
        yield f"# HELP {name} {words}\n# TYPE {name} gauge\n"
        yield from lines


def _labelled(labels: Labels) -> str:
    named = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{named}}}" if named else ""


def _escaped(value: str) -> str:
    plain = value.encode(errors="backslashreplace").decode()  # names of files need be no UTF-8
    return plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    """Return a number with all of its digits: ``1.7e9`` would lose seconds."""
    return repr(round(value, 3)) if isinstance(value, float) else str(int(value))
