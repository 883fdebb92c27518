"""What a command says, kept for those who are told how it ends, and said on as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.errors import ShardmillError
from pipeline.state.metrics import OF_APPENDS, OutputFigures
from tasks.cli.saying import Level, Voice

if TYPE_CHECKING:
    from tasks.cli.bars import Bar

_Name = tuple[str, str]


class Heard:
    """What a command has said of what it does, and of why it does not go on.

    Attributes:
        failures: the errors that it ends with.
        last_words: what it has said last of why it fails; "": nothing.
        runs: folder of the output and name of each run of its tasks.
    """

    def __init__(self) -> None:
        self.failures: list[ShardmillError] = []
        self.last_words = ""
        self.runs: list[tuple[str, str]] = []
        self._outputs: dict[_Name, OutputFigures] = {}

    @property
    def outputs(self) -> tuple[OutputFigures, ...]:
        """How far its outputs are, as was heard last."""
        return tuple(self._outputs.values())

    @property
    def left_out(self) -> int:
        """How many images its finished outputs lack."""
        return sum(output.left_out or 0 for output in self.outputs)

    @property
    def kinds(self) -> dict[str, int]:
        """How many errors of each kind it ends with."""
        return dict(Counter(type(error).__name__ for error in self.failures))

    @property
    def reason(self) -> str:
        """Why it fails, in words; "": nothing was said of that."""
        return str(self.failures[0]) if self.failures else self.last_words

    def hear(self, name: str, fields: dict[str, Any]) -> None:
        """Keep what an event says of outputs and runs."""
        if name == "run":
            self.runs.append((fields["out"], fields["run"]))
        elif name == "appended":
            self._keep_appended(fields)
        elif name == "output":
            shards, records, left_out = (fields[each] for each in ("shards", "records", "left_out"))
            self._keep(
                OutputFigures(
                    split=fields["split"],
                    format=fields["format"],
                    images=records + left_out,
                    images_planned=records + left_out,
                    shards=shards,
                    shards_planned=shards,
                    bytes=fields["bytes"],
                    left_out=left_out,
                )
            )

    def _keep_appended(self, fields: dict[str, Any]) -> None:
        """Keep what became of an output that shards were appended to: it is finished."""
        known = self._outputs.get((fields["split"], fields["format"]))
        if known is not None:
            counts = {name: fields[name] for name in OF_APPENDS}
            self._keep(replace(known, **counts))

    def look(self, bars: list[Bar]) -> None:
        """Keep how far outputs are that are being written."""
        for bar in bars:
            if bar.format:
                shards, planned = bar.shards
                self._keep(
                    OutputFigures(
                        split=bar.part,
                        format=bar.format,
                        images=int(bar.done),
                        images_planned=int(bar.total),
                        shards=shards,
                        shards_planned=planned,
                        bytes=bar.bytes,
                    )
                )

    def _keep(self, output: OutputFigures) -> None:
        self._outputs[output.split, output.format] = output


class Listening(Voice):
    """Says everything as another voice does, and keeps what others are to be told.

    Args:
        beside: the other voice.
        heard: what is kept.
        when_at_work: called when tasks are going to run.
        when_looked: called several times a second while tasks run, with what says how far they are.
    """

    def __init__(
        self,
        beside: Voice,
        heard: Heard,
        when_at_work: Callable[[], None],
        when_looked: Callable[[Callable[[float], list[Bar]]], None],
    ) -> None:
        self._beside = beside
        self._heard = heard
        self._when_at_work, self._when_looked = when_at_work, when_looked
        self.shows_bars = beside.shows_bars
        self.is_for_programs = beside.is_for_programs
        self.keeps_errors = beside.keeps_errors

    def say(self, text: str, level: Level) -> None:
        """Say a text."""
        if level is Level.ERROR:
            self._heard.last_words = text
        self._beside.say(text, level)

    def insist(self, text: str) -> None:
        """Say what a person should know in any case."""
        self._beside.insist(text)

    def say_as_it_is(self, text: str) -> None:
        """Say what is read by programs."""
        self._beside.say_as_it_is(text)

    def say_progress(self, text: str) -> None:
        """Say how far something is."""
        self._beside.say_progress(text)

    def refuse(self, error: ShardmillError) -> None:
        """Say an error."""
        self._heard.failures.append(error)
        self._beside.refuse(error)

    def event(self, name: str, /, **fields: Any) -> None:
        """Tell a program of something."""
        self._heard.hear(name, fields)
        if name == "run":
            self._when_at_work()
        self._beside.event(name, **fields)

    def fact(self, **fields: Any) -> None:
        """Tell a program something."""
        self._beside.fact(**fields)

    def look(self, bars: Callable[[float], list[Bar]]) -> None:
        """Hear how far tasks are, if it is time to."""
        self._when_looked(bars)
