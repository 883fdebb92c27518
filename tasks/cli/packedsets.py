"""What `verify` and `status` do with outputs of ``shardmill im2rec``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import storage
from pipeline.quantities import counted, size
from pipeline.storage import Location
from pipeline.verification import packcheck
from pipeline.verification.findings import Finding, truncated
from pipeline.verification.packcheck import PackedSet
from pipeline.verification.packsource import SourceComparison
from tasks.cli.saying import say

_COMPLETE, _INCOMPLETE, _LEFT_OUT = 0, 1, 4


@dataclass(frozen=True)
class PackedSets:
    """The outputs of im2rec that a path means.

    Attributes:
        manifests: of the outputs.
        strays: files that look like outputs, of which no manifest speaks.
    """

    manifests: tuple[Path, ...]
    strays: tuple[Finding, ...]

    @classmethod
    def of(cls, place: Location) -> PackedSets:
        """Look for them: in a folder, or by the name of a manifest or of one of its files.

        In a store there are none.
        """
        if not storage.takes_folders(place):
            return cls((), ())
        path = storage.on_this_machine(place)
        manifests = packcheck.find_manifests(path)
        return cls(tuple(manifests), tuple(packcheck.strays(path, manifests)))

    def __bool__(self) -> bool:
        return bool(self.manifests or self.strays)

    def beside_others(self) -> PackedSets:
        """Return those in a folder that holds other outputs, too: strays are no business there."""
        return PackedSets(self.manifests, ())

    def findings(self, raw: Path | None) -> Iterator[Finding]:
        """Read the outputs back, saying what was read, and yield what is wrong.

        Args:
            raw: folder of the images, to compare the records with; or None.
        """
        compare = packcheck.no_compare if raw is None else SourceComparison(raw)
        for manifest in self.manifests:
            check = packcheck.check_set(manifest, compare)
            yield from truncated(check.findings)
            compared = f", {check.compared:,} compared with their sources" if raw else ""
            say(f"{manifest}: {counted(check.records, 'record')}{compared}, {size(check.bytes)}")
        yield from self.strays


def report_states(sets: PackedSets) -> int:
    """Say of each output whether its files are there; return the exit status of `status`."""
    states = {_COMPLETE}
    for stray in sets.strays:
        say(f"{stray.path}: incomplete: it has no manifest")
        states.add(_INCOMPLETE)
    for path in sets.manifests:
        opened = packcheck.open_set(path)
        if not isinstance(opened, PackedSet):
            say(f"{path}: incomplete: {opened.error.what}")
            states.add(_INCOMPLETE)
            continue
        missing = packcheck.missing_files(opened)
        counts = opened.document.counts
        if missing:
            say(f"{opened.records}: incomplete: {', '.join(missing)} missing or changed")
            states.add(_INCOMPLETE)
            continue
        left, records = counts.left_out, counts.records
        say(f"{opened.records}: complete, {counted(records, 'record')}, {left:,} left out")
        states.add(_LEFT_OUT if left else _COMPLETE)
    return _INCOMPLETE if _INCOMPLETE in states else max(states)
