"""The step that joins all RecordIO shards of an output in one file."""

from __future__ import annotations

import contextlib

from pipeline import paths, storage
from pipeline.formats.recordio import shard as recordio
from pipeline.formats.recordio.shard import RecordIOWriter
from pipeline.job import artifacts as products
from pipeline.job.artifacts import Product
from pipeline.shards import finish as outputs
from pipeline.state import withdrawal
from tasks.base import Volume
from tasks.shards import WriteManifest
from tasks.splits import ProductTask


class JoinShards(ProductTask):
    """All RecordIO shards of an output in one file, copied as they stand; `digest` is its own."""

    kind = products.JOINED
    step = "join"

    @property
    def product(self) -> Product:
        """The product."""
        return self.resolved.product(f"{self.kind}-{self.split}-{self.digest}")

    def requires(self) -> WriteManifest:
        """Return the manifest of the output."""
        return WriteManifest(
            out=self.out,
            split=self.split,
            digest=self.digest,
            format="recordio",
            on_bad_image=self.job.on_bad_image,
            job=self.job,
        )

    def make(self) -> Volume:
        """Copy the shards one after another."""
        self.claim()
        listed = paths.manifest(self.split_job.output("recordio").folder)
        replaceable = self.split_job.archive is None
        made_of = withdrawal.standing([listed] if replaceable else ())
        shards = outputs.joined(self.folder, self.split_job, self.split_job.output("recordio"))
        with contextlib.ExitStack() as stack:
            staged = [stack.enter_context(storage.StagedFile(path)) for path in self.product.files]
            writer = RecordIOWriter(*staged)
            recordio.join(shards, writer)
            size = self.publish_files(staged, made_of, records=writer.records)
        return Volume(writer.records, size)
