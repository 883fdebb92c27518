"""How ``shardmill im2rec`` shows and says what it packed, and the exit status that follows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pipeline.im2rec.pack import Tell
from pipeline.im2rec.result import Packed
from pipeline.quantities import counted, size, verb
from tasks.cli.display import counting_display
from tasks.cli.saying import say

_COMPLETE, _LEFT_OUT = 0, 4


@contextlib.contextmanager
def progress(name: str) -> Iterator[Tell]:
    """Give a function to call often; it shows on a terminal how far a list is."""
    with counting_display(name, "images") as tell:
        yield tell


def report(packed: Packed) -> int:
    """Say what was written and what was lost; return the exit status."""
    targets, left = packed.targets, len(packed.left_out)
    say(
        f"{targets.records}: {counted(packed.records, 'record')}, {size(packed.bytes)},"
        f" {left:,} left out"
    )
    for note, count in packed.notes.items():
        say(f"  {note}: {count:,}")
    least, most = packed.label_widths
    if least < most and not packed.unstored:
        say(f"  labels an image: {least} to {most} (ImageDetRecordIter: label_pad_width={most})")
    if packed.unstored:
        say(
            f"{targets.records}: only the first label is stored of"
            f" {counted(packed.unstored, 'image')} that {verb(packed.unstored, 'has', 'have')}"
            " more: store all with --pack-label, or label_width=N pack_label=1",
            err=True,
        )
    for each in packed.left_out:
        say(f"left out: line {each.line}, {each.path}: {each.reason}", err=True)
    if left:
        say(f"all that is left out is named in {targets.manifest}", err=True)
    return _LEFT_OUT if left else _COMPLETE
