"""``shardmill doctor``: what this machine has of what is needed, and how to get the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.job.table.option import DOCTOR
from pipeline.job.table.options import options_of
from pipeline.quantities import counted
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.reaching import Reached
from tasks.cli.saying import say
from tasks.run import scheduler
from tasks.run.exchange import Address

if TYPE_CHECKING:
    from pipeline.environment.findings import Finding

EXAMPLES: Final = (
    "shardmill doctor --out NEW",
    "shardmill doctor --out OUT",
    "shardmill doctor --raw RAW --out OUT",
)


@click.command(cls=GroupedCommand, params=parameters(options_of(DOCTOR)), examples=EXAMPLES)
def doctor(raw: str, out: str, scheduler_host: str, **remote: Any) -> int:
    """Look at the machine: is all there that is needed, and what would the rest be for?

    It says the versions of shardmill, Python and all packages, which Pillow and which JPEG library
    encode images, what kind of disk OUT lies on, whether it can be written and its locks exclude
    others, whether a scheduler answers, and which optional packages are there. To try that, two
    hidden files are made in OUT, or in the folder above it that exists, and removed at once. With
    what is missing stands the command that installs it.

    Exit status 1 when something that is needed is missing; what is only noted is not.
    """
    address = scheduler.address_of(scheduler_host) if scheduler_host else None
    missing = 0
    for heading, findings in _sections(raw, out, address, remote):
        say(heading)
        for finding in findings:
            say(f"  {finding.state + ':':<9}{finding.text}")
            if finding.remedy:
                say(f"           {finding.remedy}")
            missing += finding.state == "missing"
    say(f"{counted(missing, 'thing')} missing" if missing else "all that is needed is there")
    return 1 if missing else 0


def _sections(
    raw: str, out: str, address: Address | None, remote: dict[str, Any]
) -> Iterator[tuple[str, Iterator[Finding]]]:
    """Yield headings, each with what is found under it."""
    from pipeline import storage  # noqa: PLC0415 - Arrow and Pillow: not for --help
    from pipeline.environment import findings, packages  # noqa: PLC0415
    from pipeline.formats.registry import FORMATS  # noqa: PLC0415

    place = Reached.of(out or ".", remote).out
    yield "Program", findings.of_program()
    yield "Packages", findings.of_packages(packages.needed())
    yield "Images", findings.of_codec()
    yield f"Output: {place}", findings.of_output(place, is_chosen=bool(out))
    if raw:
        folder = Path(storage.absolute(raw, "--raw"))
        yield f"Input: {folder}", findings.of_input(folder)
    if address is not None:
        yield f"Scheduler: {address[0]}:{address[1]}", _of_scheduler(address)
    yield "Optional packages", findings.of_optional(packages.optional())
    readers = ((each.title, reader) for each in FORMATS.values() for reader in each.readers)
    yield "Readers of shards", findings.of_readers(readers)


def _of_scheduler(address: Address) -> Iterator[Finding]:
    from pipeline.environment.findings import Finding, State, of_error  # noqa: PLC0415
    from pipeline.errors import ShardmillError  # noqa: PLC0415

    try:
        scheduler.check_luigid(address)
    except ShardmillError as error:
        yield of_error(error)
    else:
        yield Finding(State.FINE, "a luigid answers")
