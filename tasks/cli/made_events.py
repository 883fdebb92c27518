"""What programs are told of outputs: which are to be made, and what finished ones hold."""

from __future__ import annotations

from typing import Any

from pipeline.documents.outputs import OutputManifest
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.shards.output import Output
from tasks.cli.saying import voice


def planned(resolved: ResolvedJob) -> list[dict[str, Any]]:
    """Return which outputs a job makes."""
    return [
        {
            "split": split.name,
            "format": output.format,
            "digest": output.digest,
            "shards": split.shards,
            "images": split.expected.images,
            "folder": str(output.folder),
        }
        for split, output in resolved.outputs
    ]


def tell(split: SplitJob, output: Output, document: OutputManifest, path: str) -> None:
    """Tell what a finished output holds, and which images it lacks."""
    counts, name = document.counts, {"split": split.name, "format": output.format}
    voice().event(
        "output",
        **name,
        digest=output.digest,
        path=path,
        shards=split.shards,
        records=counts.records,
        bytes=counts.bytes,
        repaired=counts.repaired,
        left_out=counts.left_out,
    )
    for image in document.left_out:
        fields = {"image": image.key, "source": image.source, "reason": image.reason}
        voice().event("left_out", **name, **fields)
