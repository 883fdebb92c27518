"""What came of packing a list, and the manifest that says so."""

from __future__ import annotations

from dataclasses import dataclass

import pipeline
from pipeline.im2rec.job import PackJob, Targets
from pipeline.manifest import Document


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An image that could not be packed.

    Attributes:
        line: in the list, from 1.
        id: of the image.
        path: as it stands in the list.
        reason: what is wrong with it.
    """

    line: int
    id: int
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written.

    Attributes:
        targets: the files.
        lines: of the list, or of its part.
        records: how many were written.
        bytes: of the records.
        unstored: lines of more labels than the one that is stored.
        label_widths: the least and the greatest number of labels of a line.
        notes: what happened to images, and how often, see `Processed.notes`; under pass-through
            ``16-bit`` too.
        left_out: the images without a record, in the order of the list.
    """

    targets: Targets
    lines: int
    records: int
    bytes: int
    unstored: int
    label_widths: tuple[int, int]
    notes: dict[str, int]
    left_out: tuple[LeftOut, ...]


def document(job: PackJob, packed: Packed, listing: str, *, rooted: bool) -> Document:
    """Return what the manifest says beside the files that were written.

    Args:
        job: what was asked for.
        packed: what came of it.
        listing: the xxh3-128 of the list.
        rooted: whether any path of the list is relative to the root, which is then recorded.
    """
    source = {"list": job.listing.name, "xxh3_128": listing}
    return {
        "program": f"shardmill {pipeline.__version__}",
        "format": "recordio",
        "inputs": [source | ({"root": job.root_from_output} if rooted else {})],
        "parameters": job.parameters(),
        "codec": job.codec(),
        "counts": {
            "bytes": packed.bytes,
            "labels": list(packed.label_widths),
            "labels_not_stored": packed.unstored,
            "left_out": len(packed.left_out),
            "lines": packed.lines,
            "notes": packed.notes,
            "records": packed.records,
        },
        "left_out": [
            {"line": each.line, "id": each.id, "path": each.path, "reason": each.reason}
            for each in packed.left_out
        ],
    }
