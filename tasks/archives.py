"""The steps that check the raw archives: are they there, and are they the right ones?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import luigi

from pipeline import manifest, paths, storage
from pipeline.archives import index
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.index import VerifiedArchive
from pipeline.archives.listings import Listings
from pipeline.archives.passage import Passage
from pipeline.archives.tar import Member
from pipeline.archives.walk import walk_index
from pipeline.documents.records import ArchiveMark, JobRecord, WalkedMark
from pipeline.errors import ArchiveRefused, OutputDamaged, TransientError
from pipeline.job import neighbours
from pipeline.job.artifacts import ARCHIVE, INPUTS, WALKED, Artifact, name_of
from pipeline.sources.inputs import Archive
from pipeline.state import fetched, preflight, refusals, staging, standing, unverified
from pipeline.state import raw_archives as rawarchives
from pipeline.state import unpacked_archives as unpackedarchives
from pipeline.storage import Location
from tasks.artifact_tasks import ShardmillTask
from tasks.base import Volume, logger
from tasks.run.processes import is_of_command


class CheckInputs(ShardmillTask):
    """Every archive is there with its size, OUT may be written and has room.

    The product is a record of the job and of what was seen; it is made again whenever an
    archive looks different from what was seen then.
    """

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the job")
    makes = INPUTS
    document_kind = JobRecord

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameter that names the job."""
        return {"digest": artifact.digest}

    @property
    def artifact_name(self) -> str:
        """The name of the record, in its job."""
        return INPUTS

    def make(self) -> Volume:
        """Look, and record what was asked for."""
        preflight.check(self.resolved)
        preflight.remember_sources(self.resolved)
        codecs = {o.form.codec for s in self.resolved.splits.values() for o in s.outputs}
        document = {
            "codecs": sorted(name for name in codecs if name),  # of outputs that are begun now
            "job": self.job.recorded(),
            **standing.names_of(self.resolved),
            "seen": rawarchives.seen(self.resolved),
            "splits": neighbours.described(self.resolved),
        }
        manifest.publish_alone(self.mark(), document)
        return Volume()


class ArchiveTask(ShardmillTask):
    """What is made of one archive."""

    archive: luigi.Parameter[str] = luigi.Parameter(description="published file name")
    md5: luigi.Parameter[str] = luigi.Parameter(description="expected MD5, hex")

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameters that name an archive."""
        return {"archive": artifact.variant, "md5": artifact.digest}

    @property
    def artifact_name(self) -> str:
        """The name of what it makes, in its job."""
        return name_of(self.makes, variant=str(self.archive))

    @property
    def config(self) -> Archive:
        """The archive's configuration."""
        return self.resolved.dataset.archive(self.archive)


class WalkArchive(ArchiveTask):
    """The members of an archive are indexed by their headers, before its MD5 is known."""

    makes = WALKED
    document_kind = WalkedMark

    def mark(self) -> Location:
        """Return the path of the mark of its index: the verified one, if there is one."""
        if isinstance(self.document(), WalkedMark):
            return unverified.walked_mark(self.folder, str(self.archive))
        return rawarchives.mark_path(self.resolved, self.config)

    def check_index(self) -> None:
        """Check the bytes of the index; damaged, it is forgotten and made anew.

        Raises:
            TransientError: it was damaged: the next attempt finds it missing.
        """
        walked = isinstance(self.document(), WalkedMark)
        try:
            kind = WalkedMark if walked else ArchiveMark
            manifest.read_checked(self.mark(), self.folder, kind)
        except OutputDamaged as error:
            self.invalidate()
            raise TransientError(f"{error.what}; it is made anew", file=error.file) from error

    def make(self) -> Volume:
        """Read the headers."""
        name = str(self.archive)
        try:
            with storage.StagedFile(paths.walked_index(self.folder, name)) as index:
                walked = walk_index(self.resolved.raw_file(self.config), index)
                unverified.publish(self.folder, name, walked, index)
        except ArchiveRefused as error:  # it may not be the archive that it should be
            raise unverified.not_known_yet(error) from error
        return Volume()


class VerifyArchive(ArchiveTask):
    """One archive has its MD5, and its members are indexed: one sequential read."""

    makes = ARCHIVE
    document_kind = ArchiveMark

    @property
    def counter_name(self) -> str:
        """What its progress is noted under."""
        return str(self.archive)

    def mark(self) -> Location:
        """Return the path of the mark of the archive as it looks now."""
        return rawarchives.mark_path(self.resolved, self.config)

    def make(self) -> Volume:
        """Read the archive once: MD5 and member index."""
        rawarchives.check_verified(self.resolved, (self.config,))
        source = rawarchives.read_here(self.resolved, self.config)
        refused = refusals.recall(self.folder, source, self.config)
        if refused is not None and not self.job.replace:
            raise refused
        with Listings(rawarchives.listing_paths(self.folder, self.archive)) as listings:
            verified = self._verify(source, listings)
            rawarchives.publish(self.folder, self.archive, verified, listings.files)
        unverified.settle(self.resolved)
        rawarchives.check_broken(self.resolved, self.config, verified.broken)
        return Volume(size=verified.info.size)

    @property
    def priority(self) -> int:  # type: ignore[override] # Luigi asks each task for it
        """What Luigi begins with: where shards are written meanwhile, they are done before this."""
        return 1 if self.resolved.verifies_beside else 0

    def _verify(self, source: storage.Location, listings: Listings) -> VerifiedArchive:
        """Return what the archive is, and write its index; a refusal is remembered."""
        if rawarchives.is_to_be_staged(self.resolved, self.config):
            verified = self._stage(listings)
            if verified is not None:
                return verified
        info = storage.stat(source)
        size, placed = info.size if info else 0, storage.placed(source)
        read = 0
        with self.counter(size, "bytes") as progress:

            def note(done: int) -> None:
                nonlocal read
                read = done
                progress(done)

            try:
                verified = self._read(source, note, listings)
            except ArchiveRefused as error:
                if not is_of_command():  # which does it when nobody writes shards any more
                    unverified.discard(self.folder, str(self.archive))
                if self.resolved.is_staged and staging.discard_damaged(self.resolved, self.config):
                    logger.warning("%s: this copy went bad here; it is copied again", source)
                    return self._verify(source, listings)
                if read == size:  # or it was refused at its beginning
                    refusals.remember(self.folder, source, self.config, error, placed)
                raise
        if self.resolved.is_staged:  # somebody else has put it there, and it is the right one
            fetched.record(storage.on_this_machine(source), self.config, "", verified.info)
        return verified

    def _stage(self, listings: Listings) -> VerifiedArchive | None:
        """Copy the archive to this host, and verify it on the way; None: it is there by now."""
        source = self.resolved.raw_file(self.config)
        origin = self.resolved.origin / self.archive

        def work(passage: Passage) -> VerifiedArchive:
            return self._read(source, lambda _: None, listings, passage)

        info = storage.stat_whole(origin)
        with self.counter(info.size if info else 0, "bytes") as progress:
            tools = staging.means(self.resolved, lambda done, _: progress(done), logger.info)
            try:
                return staging.stage(self.resolved, self.config, tools, work)
            except ArchiveRefused as error:
                kept = storage.stat(source) is not None  # of the right MD5, but no use
                refusals.remember(self.folder, source if kept else origin, self.config, error, "")
                raise

    def _read(
        self,
        source: storage.Location,
        progress: Callable[[int], None],
        listings: Listings,
        passage: Passage | None = None,
    ) -> VerifiedArchive:
        md5, size = str(self.md5), self.config.bytes
        files = listings.begun()
        if self.config.packed:
            raw = storage.on_this_machine(self.resolved.raw)
            checks = unpackedarchives.Checks(self._check_first, self._check_broken)
            with unpackedarchives.forgetting_shards(self.resolved, self.config):
                return unpackedarchives.verify(raw, self.config, files, progress, checks)
        if not files:
            return index.verify_only(
                source, expected_md5=md5, expected_size=size, progress=progress, passage=passage
            )
        return index.verify_and_index(
            source,
            *files,
            expected_md5=md5,
            expected_size=size,
            nested=True,
            progress=progress,
            check_first=self._check_first,
            check_broken=self._check_broken,
            passage=passage,
        )

    def _check_first(self, member: Member) -> None:
        """Check the first file of the archive against the splits that it is to hold."""
        for split in self.resolved.splits.values():
            if self.config in split.source.inputs:
                split.source.check_first(member)

    def _check_broken(self, tar: BrokenTar) -> None:
        """Check, before the rest of the archive is read, that a tar in it is not needed."""
        rawarchives.check_broken(self.resolved, self.config, (tar,))
