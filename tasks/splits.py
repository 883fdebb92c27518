"""What the steps of one split share: its part of the job, trust in other steps, publishing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import luigi

from pipeline import manifest, storage
from pipeline.documents.products import ProductMark
from pipeline.errors import OutputDamaged, TransientError
from pipeline.job.artifacts import Artifact, Product, name_of
from pipeline.job.split import SplitJob
from pipeline.state import claims, updates, withdrawal
from pipeline.storage import Location
from tasks.artifact_tasks import ShardmillTask


class SplitTask(ShardmillTask):
    """A step of one split; `digest` names its product."""

    split: luigi.Parameter[str] = luigi.Parameter(description="name of the split")
    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the product")

    @property
    def split_job(self) -> SplitJob:
        """The split's part of the job."""
        return self.resolved.splits[self.split]

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameters that name an artifact of a split."""
        return {"split": artifact.split, "digest": artifact.digest}

    @property
    def artifact_name(self) -> str:
        """The name of the artifact that it makes, in its job."""
        return name_of(self.makes, str(self.split))

    def check(self, *sources: ShardmillTask) -> None:
        """Check the bytes of what other steps made; damaged, it is forgotten and made anew.

        Raises:
            TransientError: it was damaged: the next attempt finds it missing.
        """
        for source in sources:
            with self.invalidating(source):
                manifest.read_checked(source.mark(), self.folder, source.document_kind)

    @contextlib.contextmanager
    def invalidating(self, source: ShardmillTask) -> Iterator[None]:
        """Have what another step made be made anew if it is found damaged in this context.

        Raises:
            TransientError: it was.
        """
        try:
            yield
        except OutputDamaged as error:
            source.invalidate()
            raise TransientError(f"{error.what}; it is made anew", file=error.file) from error

    def publish(self, *staged: storage.StagedFile, rows: int, **more: object) -> None:
        """Publish a table, with what belongs to it, and then the mark that says it is there."""
        document = {"digest": str(self.digest), "rows": rows, **more}
        manifest.publish(staged, self.mark(), self.folder, document)


class ProductTask(SplitTask):
    """Makes a product whose path carries no digest; `digest` is what decides its bytes."""

    document_kind = ProductMark

    @property
    def product(self) -> Product:
        """The product."""
        return self.resolved.product(self.artifact_name)

    def invalidate(self) -> None:
        """Have the product made anew; its path stays claimed."""
        claims.unfinish(self.folder, self.product)

    def claim(self) -> None:
        """Claim the product's path, unless another stands there."""
        claims.claim(
            self.folder,
            self.product,
            replace=updates.may_replace(self.folder, self.product, self.job),
            with_images=updates.images_may_go(self.folder, self.product, self.job),
        )

    def publish_files(
        self,
        staged: Sequence[storage.StagedFile],
        made_of: Mapping[Location, str] = MappingProxyType({}),
        /,
        **more: object,
    ) -> int:
        """Publish written files and then the mark that says they are there; return their bytes.

        Args:
            staged: the files.
            made_of: manifests that they are made of; see `withdrawal.standing`.
            more: what else the mark says.

        Raises:
            TransientError: a manifest of `made_of` was withdrawn meanwhile.
        """
        with withdrawal.while_standing(self.folder, made_of):
            claims.publish(self.folder, self.product, staged, **more)
        return sum(file.size for file in staged)

    def publish_product(self, contents: Mapping[Location, Iterable[bytes]], **more: object) -> int:
        """Write files and publish them, see `publish_files`; their contents come in pieces."""
        with contextlib.ExitStack() as stack:
            staged = [stack.enter_context(storage.StagedFile(path)) for path in contents]
            for file, pieces in zip(staged, contents.values(), strict=True):
                for piece in pieces:
                    file.write(piece)
            return self.publish_files(staged, **more)
