"""The step that joins all shards of an output in one file."""

from __future__ import annotations

import contextlib

from pipeline import paths, storage
from pipeline.job.artifacts import JOINED, name_of
from pipeline.shards import finish as outputs
from pipeline.shards.output import Output
from pipeline.state import withdrawal
from tasks.base import Volume
from tasks.splits import ProductTask


class JoinShards(ProductTask):
    """All shards of an output in one file, copied as they stand; `digest` is its own."""

    makes = JOINED

    @property
    def joined(self) -> Output:
        """The output whose shards are joined."""
        return next(each for each in self.split_job.outputs if each.digest == self.digest)

    @property
    def artifact_name(self) -> str:
        """The name of the product, in its job."""
        return name_of(JOINED, str(self.split), str(self.digest))

    def make(self) -> Volume:
        """Copy the shards one after another."""
        self.claim()
        output = self.joined
        listed = paths.manifest(output.folder)
        replaceable = self.split_job.source.whole_files
        made_of = withdrawal.standing([listed] if replaceable else ())
        shards = outputs.joined(self.folder, self.split_job, output)
        with contextlib.ExitStack() as stack:
            staged = [stack.enter_context(storage.StagedFile(path)) for path in self.product.files]
            records = output.form.shard_format.join(shards, staged)
            size = self.publish_files(staged, made_of, records=records)
        return Volume(records, size)
