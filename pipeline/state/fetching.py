"""Fetches the archives of a configuration, each verified while it arrives.

An archive gets its name in RAW only when its MD5 is right. A small hidden document beside it says
from where it came and how it looked then, so that the next command need not read it again. With an
output folder, its index, the hashes of its members and its mark are published there, too: the same
that the step which verifies archives makes, without a second read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline import manifest, paths, storage
from pipeline.archives import index
from pipeline.archives.identity import check_identity
from pipeline.archives.index import VerifiedArchive
from pipeline.archives.passage import Passage
from pipeline.documents.records import ArchiveMark
from pipeline.errors import ArchiveRefused, InputRefused
from pipeline.sources.inputs import Archive
from pipeline.state import fetched, lease
from pipeline.state import raw_archives as rawarchives
from pipeline.state.fetch_plan import FetchPlan
from pipeline.storage.http.fetch.file import FileFetch, Pinned, alone
from pipeline.storage.http.fetch.leftovers import clear
from pipeline.storage.http.fetch.places import Place
from pipeline.storage.http.fetch.session import Session


def is_there(plan: FetchPlan, archive: Archive) -> bool:
    """Whether an archive was verified, and looks as it did then; nothing of it is read."""
    target = plan.target(archive)
    info = storage.stat(target)
    if info is None:
        return False
    if fetched.is_recorded(target, archive):
        return True
    if plan.out is None:
        return False
    storage.use(plan.remote)
    path = paths.archive_mark(plan.out, archive.file, info.look)
    mark = manifest.read_undamaged(path, ArchiveMark)
    return mark is not None and mark.md5 == archive.md5


def fetch(plan: FetchPlan, archive: Archive, session: Session) -> bool:
    """Fetch an archive, unless it is there; return whether it was fetched.

    Raises:
        AlreadyAtWork: another process is fetching it.
        InputRefused: what is there, or what all servers have, is another file; or they do not give
            it out.
        TransientError: a server failed at every try; what has arrived is kept.
        EnvironmentRefused: there is no room, or no permission.
        UsageError: an address means nothing.
    """
    target = storage.output_file(plan.target(archive))
    places = plan.places(archive) if storage.stat(target) is None else []
    if plan.out is not None:
        storage.use(plan.remote)
        storage.check_link(plan.out)
        storage.probe_writable(paths.state(plan.out))
    with (
        alone(target),
        _Verifier(plan, archive, session) as verifier,
        contextlib.ExitStack() as stack,
    ):
        if is_there(plan, archive):
            return False
        if plan.out is not None:
            stack.enter_context(lease.stated(plan.out))
        was_there = storage.stat(target) is not None
        if was_there:
            session.say(f"{target} is there already: it is read, and its MD5 compared")
            verifier.read_what_is_there()
        source = "" if was_there else _fetch(target, archive, session, places, verifier)
        _publish(plan, archive, source, verifier)
        clear(target, session.say)
        if verifier.refusal is not None:
            raise verifier.refusal
    return not was_there


def _fetch(
    target: Path, archive: Archive, session: Session, places: list[Place], verifier: _Verifier
) -> str:
    """Fetch an archive, and give it its name; return the address that it came from."""
    pinned = Pinned(archive.file, archive.md5, archive.bytes, other_file)
    download = FileFetch(target, pinned, session, verifier.work)
    try:
        outcome = download.run(places)
    finally:
        download.close()
    verifier.found, verifier.refusal = outcome.result, outcome.error
    return download.source


def _publish(plan: FetchPlan, archive: Archive, url: str, verifier: _Verifier) -> None:
    """Record where an archive came from, and publish what was found in it."""
    target = plan.target(archive)
    info = storage.stat(target)
    if info is None:
        return  # somebody has moved it on already
    fetched.record(target, archive, url, info)
    verified = verifier.found
    if plan.out is not None and verified is not None:
        with storage.shared_lock(paths.run_lock(plan.out), claim=True):
            now = replace(verified, info=info)
            rawarchives.publish(plan.out, archive.file, now, verifier.listings)


def other_file(path: Path, md5: str, size: int, head: bytes, pinned: Pinned) -> InputRefused:
    """Return the refusal of a file that has another MD5 than it should."""
    try:
        check_identity(path, md5, size, head, (pinned.md5, pinned.size), None)
    except ArchiveRefused as error:
        return error
    raise AssertionError("the MD5 is the right one")


class _Verifier:
    """Verifies an archive while it arrives, and lists its members where there is an output folder.

    Attributes:
        found: what was found in it; None: nothing yet, or it is refused.
        listings: its index and the hashes of its members, not published yet.
        refusal: why it cannot be read, though its MD5 is right.
    """

    def __init__(self, plan: FetchPlan, archive: Archive, session: Session) -> None:
        self.found: VerifiedArchive | None = None
        self.listings: list[storage.StagedFile] = []
        self.refusal: Exception | None = None
        self._path = plan.target(archive)
        self._archive = archive
        self._session = session
        out = plan.out
        self._paths = [] if out is None else rawarchives.listing_paths(out, archive.file)

    def work(self, passage: Passage | None) -> VerifiedArchive:
        """Read all of it, once; see `index.verify_and_index`."""
        self._discard()
        md5 = self._archive.md5
        if not self._paths:
            return index.verify_only(
                self._path, expected_md5=md5, progress=self._tell(passage), passage=passage
            )
        self.listings = [storage.StagedFile(path) for path in self._paths]
        return index.verify_and_index(
            self._path,
            *self.listings,
            expected_md5=md5,
            nested=True,
            progress=self._tell(passage),
            check_broken=lambda _tar: None,  # whether a job can do without it, the job knows
            passage=passage,
        )

    def read_what_is_there(self) -> None:
        """Read a file that somebody else has put there.

        Raises:
            ArchiveRefused: it is another than the one that is wanted.
        """
        try:
            self.found = self.work(None)
        except ArchiveRefused as error:
            remedy = "move it away, then run the same command again: it is fetched"
            raise error.altered(remedy=remedy) from error

    def _tell(self, passage: Passage | None) -> Callable[[int], None]:
        """Return what is told the bytes read, where nobody else is told those that arrive."""
        if passage is not None:
            return lambda _done: None
        info = storage.stat(self._path)
        return lambda done: self._session.tell(done, info.size if info else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._discard()

    def _discard(self) -> None:
        with contextlib.ExitStack() as stack:
            for staged in self.listings:
                stack.callback(staged.discard)
        self.listings = []
