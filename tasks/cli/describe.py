"""``shardmill describe``: writes the configuration of archives that nobody has described."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path
from typing import Final

import click

from pipeline.errors import UsageError
from pipeline.job.table.option import DESCRIBE
from pipeline.job.table.options import options_of
from pipeline.plaintext import Lines
from pipeline.storage.location import is_address
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.saying import say, say_as_it_is

EXAMPLES: Final = (
    "shardmill describe RAW > my.toml",
    "shardmill describe RAW --out my.toml",
    "shardmill describe RAW --name pets --out my.toml --replace",
)
_COMPLETE, _LEFT_OUT = 0, 4
_REMEDY: Final = "move it away, give another --name or --out, or say --replace"


@click.command(cls=GroupedCommand, params=parameters(options_of(DESCRIBE)), examples=EXAMPLES)
def describe(raw: str, out: str, name: str, replace: bool) -> int:
    """Read the archives in RAW once each, and write the configuration that describes them.

    It says their MD5s and sizes, how the images lie in them (a tar of class tars, a tar of class
    folders, or a flat tar of numbered images), their classes and how many images each has, and
    which archive has the bounding boxes. Splits are called by what the files are called. What
    cannot be described is named, in the comments of the file, too. Then

      shardmill imagenet --config my.toml --raw RAW --out OUT

    prepares them, and reads them from a store or web server if RAW is an address there. To be
    described, archives have to lie on this machine: each is read from end to end. Where RAW holds
    no archive but folders such as train/cat and val/cat, these are described, for --tree RAW in
    the place of --raw RAW.

    The same command goes on where it was killed: what was read is kept in this user's cache.

    Exit status 4 when archives are left out, 3 when there is nothing that can be described.
    """
    from pipeline import storage  # noqa: PLC0415 - Arrow: not for --help
    from pipeline.sources import own_data  # noqa: PLC0415 - likewise
    from tasks.cli.display import bytes_display  # noqa: PLC0415 - likewise

    if is_address(raw):
        raise _remote(raw)
    file = Path(out) if out else storage.file_of_descriptor(_descriptor())
    with bytes_display() as tell:
        found = own_data.describe(
            Path(raw),
            name,
            [file] if file else [],
            lambda *read: tell(f"read {read[0]}", *read[1:]),
        )
    folder = file.parent if file else Path()
    files = {folder / each: content for each, content in found.companions.items()}
    text = {Path(out): found.text.encode()} if out else {}
    own_data.write({**files, **text}, replace=replace, remedy=_REMEDY)
    for line in (*found.found, *found.remarks, *(f"written: {path}" for path in files)):
        say(line, err=True)
    if out:
        say(f"written: {out}")
    else:
        say_as_it_is(Lines(found.text.rstrip("\n")))
    config = str(file or "FILE")
    words = ["shardmill", "imagenet", found.option, raw, "--config", config, "--out", "OUT"]
    say(f"now: {shlex.join(words)}", err=True)
    return _LEFT_OUT if found.left_out else _COMPLETE


def _remote(raw: str) -> UsageError:
    """Return the refusal of archives that lie in a store or on a web server."""
    return UsageError(
        "archives are described where they lie in a folder of this machine",
        file=raw,
        expected="a folder: each archive is read from end to end, and looked into",
        remedy="copy them into a folder with the store's own program, and describe that;"
        " then `shardmill imagenet --raw ADDRESS --config FILE` reads them from the address."
        " Or write the configuration by hand: MD5s and counts may be left out of it",
    )


def _descriptor() -> int:
    """Return the descriptor of standard output; -1 where it has none."""
    try:
        return sys.stdout.fileno()
    except (io.UnsupportedOperation, ValueError, AttributeError):
        return -1
