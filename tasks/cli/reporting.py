"""A command that prepares, and tells others how it ends: monitoring, programs, a mail."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import ShardmillError, UsageError
from pipeline.job.table.group import Kind
from pipeline.job.table.options import options_of
from pipeline.job.table.telling import TELLING_OPTIONS
from tasks.cli import hooks
from tasks.cli.ending import carried_out
from tasks.cli.hooks import HealthCheck
from tasks.cli.listening import Heard, Listening
from tasks.cli.saying import insist, speaking, voice
from tasks.cli.speaking import DEFECT, TellingCommand
from tasks.cli.text import duration

if TYPE_CHECKING:
    from tasks.cli.bars import Bar
    from tasks.cli.metrics_file import MetricsFile

SUCCESSES = frozenset({0, 4})
"""The exit statuses of a command that is complete."""
NOTHING_DONE = 10
"""The exit status of a command that left the work to another one: nobody is told of it."""


class PreparingCommand(TellingCommand):
    """A command with the options that say who is told how it ends, which it need not know."""

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out the command; tell others of a refusal that is raised before it speaks, too."""
        asked = {option.name: ctx.params.pop(option.name) for option in TELLING_OPTIONS}
        if ctx.params.get("dry_run"):
            return super().invoke(ctx)
        report = Report(str(ctx.info_name), asked, ctx.params)
        ctx.meta[__name__] = report
        try:
            return super().invoke(ctx)
        except ShardmillError as error:
            if not report.is_told:
                with contextlib.suppress(ShardmillError):
                    report.check()
                report.heard.failures.append(error)
                report.end(error.exit_status)
            raise

    def work(self, ctx: click.Context) -> Any:
        """Carry out the command, listen to what it says, and tell others how it ends."""
        report: Report | None = ctx.meta.get(__name__)
        if report is None:
            return super().work(ctx)

        def work() -> object:
            report.check()
            return super(PreparingCommand, self).work(ctx)

        with speaking(Listening(voice(), report.heard, report.begin, report.look)):
            status = DEFECT
            try:
                status = carried_out(work)
            except Exception as error:
                report.heard.last_words = f"a defect: {type(error).__name__}"
                raise
            finally:
                report.end(status)
        return status


class Report:
    """What others are told of one command.

    Args:
        command: its name.
        asked: the values of the options that say who is told.
        given: the values of its other options.
    """

    def __init__(
        self, command: str, asked: Mapping[str, str | None], given: Mapping[str, Any]
    ) -> None:
        self.heard = Heard()
        self.is_told = self._is_at_work = False
        self._command, self._asked = command, asked
        self._out = str(given.get("out") or "")
        self._given = given
        self._began = time.time()
        self._health: HealthCheck | None = None
        self._metrics: MetricsFile | None = None

    def check(self) -> None:
        """Look before work whether everybody can be told.

        Raises:
            UsageError: somebody cannot.
        """
        for option in ("on_success", "on_failure"):
            if self._asked[option] == "":
                raise UsageError(f"--{option.replace('_', '-')}: a command is empty", found="''")
        if (url := self._asked["health_url"]) is not None:
            self._health = HealthCheck.of(url)
        if (file := self._asked["metrics_file"]) is not None:
            # Arrow: not where nobody asked for it
            from tasks.cli.metrics_file import MetricsFile  # noqa: PLC0415

            self._metrics = MetricsFile.opened(file, self.heard)

    def begin(self) -> None:
        """Tell, once, that the command is at work: no other one has kept it from that."""
        if self._is_at_work:
            return
        self._is_at_work = True
        if self._metrics is not None:
            self._metrics.begin()
        if self._health is not None:
            self._health.tell("start")

    def look(self, bars: Callable[[float], list[Bar]]) -> None:
        """Tell how far it is, if it is time to."""
        if self._metrics is not None:
            self._metrics.look(bars)

    def end(self, status: int) -> None:
        """Tell everybody how the command has ended, each once."""
        if self.is_told or status == NOTHING_DONE:
            return
        self.is_told = True
        is_success = status in SUCCESSES
        with _interruptible():
            if self._metrics is not None:
                self._metrics.end(status, is_success=is_success)
            if self._health is not None:
                kinds = ", ".join(sorted(self.heard.kinds))
                text = f"status {status}{': ' if kinds else ''}{kinds}"
                self._health.tell("" if is_success else "fail", text)
            if not is_success:
                self._mail(status)
            option = "--on-success" if is_success else "--on-failure"
            if command := self._asked["on_success" if is_success else "on_failure"]:
                hooks.run(option, command, self._variables(status))

    def _variables(self, status: int) -> dict[str, str]:
        return {
            "SHARDMILL_COMMAND": self._command,
            "SHARDMILL_STATUS": str(status),
            "SHARDMILL_OUT": self._out,
            "SHARDMILL_REASON": self._as_given(self.heard.reason) if status else "",
            "SHARDMILL_FAILURES": str(len(self.heard.failures)),
            "SHARDMILL_LEFT_OUT": str(self.heard.left_out),
        }

    def _mail(self, status: int) -> None:
        from tasks.cli import mail  # noqa: PLC0415 - only where a command has failed

        seconds = time.time() - self._began
        head = [
            f"command: shardmill {self._command}",
            f"host: {mail.host()}",
            f"out: {self._out}",
            f"exit status: {status}",
            f"began: {time.strftime('%Y-%m-%d %H:%M:%S %z', time.localtime(self._began))}",
            f"took: {duration(seconds)}",
        ]
        failures = [self._as_given(str(error)) for error in self.heard.failures]
        failures = failures or [self._as_given(self.heard.reason)]
        subject = f"shardmill {self._command} on {mail.host()} ended with status {status}"
        problem = mail.send(subject, mail.text_of(head, [each for each in failures if each]))
        if problem:
            insist(f"the mail of this failure was not sent: {problem}")

    def _as_given(self, text: str) -> str:
        """Return a text with the paths of the command line as they were given: no more of them."""
        for absolute, given in _given_paths(self._command, self._given):
            text = text.replace(absolute, given)
        return text


def _given_paths(command: str, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the paths of a command line, as the program has them and as given; longest first."""
    from pipeline import storage  # noqa: PLC0415 - Arrow: not for --help and completion

    pairs = list[tuple[str, str]]()
    for option in options_of(command):
        value = given.get(option.name)
        if option.kind is Kind.PATH and value and isinstance(value, str):
            with contextlib.suppress(UsageError):  # the command says what is wrong with it
                pairs.append((storage.absolute(value, option.flag, whole_bucket=True), value))
    return sorted(pairs, key=lambda pair: -len(pair[0]))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Have an interrupt in this context end the telling, and not change how the command ended."""
    try:
        yield
    except KeyboardInterrupt:
        insist("interrupted: not everybody was told how the command ended")
