"""Files that sources keep, such as images, and that nothing asks for any more."""

from __future__ import annotations

from collections.abc import Collection

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.sources import registry as sources
from pipeline.state import standing
from pipeline.storage import Location, Plan


def plans(out: Location, last: Collection[Job], gone: Collection[Location]) -> dict[str, Plan]:
    """Return, by what they were kept for, what goes of files that nothing asks for any more.

    What the job that was started last is about stays, and what a finished output was made of.

    Args:
        out: the output folder.
        last: that job; empty: none is recorded.
        gone: folders of outputs that count as removed.

    Raises:
        ShardmillError: it is not known what the last job is about, or what an output was made of.
    """
    wanted = {split.source.selection for job in last for split in resolve(job).splits.values()}
    for folder in standing.output_folders(out):
        path = paths.manifest(folder)
        if folder not in gone and storage.stat(path) is not None:
            inputs = manifest.read(path, OutputManifest).inputs
            wanted.update(each.selection for each in inputs)
    every = {
        each.what: storage.plan_files(out, each.files) for each in sources.unneeded(out, wanted)
    }
    return {what: plan for what, plan in every.items() if plan.items}
