"""One file, fetched from the first of some places that has the right one."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic

from pipeline.archives.signatures import HEAD_BYTES
from pipeline.errors import (
    AlreadyAtWork,
    ArchiveRefused,
    InputRefused,
    NoPermission,
    NoSpace,
    ObjectChanged,
    OutputConflict,
    OutputDamaged,
    ShardmillError,
)
from pipeline.plaintext import Lines
from pipeline.storage.http.fetch import leftovers
from pipeline.storage.http.fetch.partial import Partial, read_sidecar
from pipeline.storage.http.fetch.places import Place
from pipeline.storage.http.fetch.ranged import Ranged
from pipeline.storage.http.fetch.session import Outcome, Result, Session, Work, ask
from pipeline.storage.http.fetch.sidecar import Kept, Origin, gone_on_with
from pipeline.storage.http.fetch.stream import fetch_stream
from pipeline.storage.local.listing import free_bytes
from pipeline.storage.local.locks import target_lock

_TRIES: Final = 4
_PAUSE_S: Final = 0.4
_MOST_CHANGES: Final = 2  # of a file at a server, while it is fetched
_NO_FAULT_OF_A_PLACE: Final = (NoSpace, NoPermission, OutputConflict, OutputDamaged)


@dataclass(frozen=True)
class Pinned:
    """What a file must be.

    Attributes:
        file: its name.
        md5: 32 lower-case hex digits; None: not known, so that a cut begins the file anew.
        size: bytes; None: not known. The MD5 decides, where it is known.
        refusal: returns the error of a file of another MD5: told its path, MD5, size and first
            bytes, and what it should be.
    """

    file: str
    md5: str | None
    size: int | None
    refusal: Callable[[Path, str, int, bytes, Pinned], InputRefused]

    def is_of(self, md5: str | None) -> bool:
        """Whether a file of this MD5 may be it; None: it was not read to its end."""
        return md5 is not None and self.md5 in {None, md5}


@contextlib.contextmanager
def alone(target: Path) -> Iterator[None]:
    """Hold the lock over a file that is to be fetched.

    Two that begin in the same instant, where only claims tell them apart, both see the other: so
    each tries again after a moment of chance.

    Raises:
        AlreadyAtWork: another process holds it.
    """
    with contextlib.ExitStack() as stack:
        for attempt in range(_TRIES):
            try:
                stack.enter_context(target_lock(target, wait=False))
                break
            except AlreadyAtWork:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_S * random.random())  # noqa: S311 - two must not keep step
        yield


class FileFetch(Generic[Result]):
    """Fetches one file into its hidden file, from the first place that has the right one.

    Args:
        target: its final name; its lock is held.
        pinned: what it must be.
        session: what the download works with.
        work: reads the file while it grows; called again where it is begun anew.

    Attributes:
        source: the address that the file came from.
    """

    def __init__(self, target: Path, pinned: Pinned, session: Session, work: Work[Result]) -> None:
        self._target, self._pinned, self._session, self._work = target, pinned, session, work
        self.source = ""
        self._left = leftovers.take_over(target, session.say)

    def run(self, places: Sequence[Place]) -> Outcome[Result]:
        """Fetch the file and give it its name; return what the work came to.

        Raises:
            InputRefused: no place has it, or gives it out.
            UsageError: a store has no such bucket, or does not take the keys.
            TransientError: a server failed at every try; what has arrived is kept.
            NoSpace: there is too little room, or no more.
            AlreadyAtWork: another process has gone on with it.
        """
        failures = list[tuple[Place, ShardmillError]]()
        for place in places:
            self.source = place.name
            try:
                return self._from(place)
            except _NO_FAULT_OF_A_PLACE:
                raise
            except ShardmillError as error:
                failures.append((place, error))
                if len(failures) < len(places):
                    self._session.say(f"{place.name}: {error.brief}; the next mirror is tried")
        raise _all_failed(self._target, failures)

    def close(self) -> None:
        """Leave what has arrived for the next process, and say so; nothing, if it is of no use."""
        partial, state = self._left.partial, self._left.state
        if not (partial.is_open and partial.is_own):
            partial.close()
            return
        if state is not None:  # a full disk may have taken less of it
            state = read_sidecar(self._target, partial.temp)
        if state is None or not state.pieces:
            partial.discard()
            return
        partial.close()
        self._session.say(
            f"{self._pinned.file}: {state.present:,} of {state.size:,} bytes are kept: the same"
            " command goes on with them"
        )

    def _from(self, place: Place) -> Outcome[Result]:
        """Fetch it from one place."""
        for _ in range(_MOST_CHANGES):
            try:
                return self._once(place)
            except ObjectChanged as error:
                self._session.say(f"{place.name}: {error.brief}: begun anew")
        return self._once(place)

    def _once(self, place: Place) -> Outcome[Result]:
        found = ask(self._session, place, self._pinned.file)
        if found.size is not None:
            self._check_size(place, found.size)
        if not found.has_ranges or found.size is None:
            return self._in_a_stream(place, found.size)
        origin = Origin(place.name, found.validator)
        while True:
            # Where no MD5 decides, parts of two downloads may be of two files.
            before = self._left.state if self._pinned.md5 else None
            kept = gone_on_with(before, origin, found.size)
            if kept.said:
                self._session.say(f"{self._pinned.file}: {kept.said}")
            self._check_room(found.size)
            is_doubtful = kept.is_doubtful
            outcome = self._in_parts(Ranged(self._session, place, found, self._partial, kept), kept)
            if self._pinned.is_of(outcome.md5):
                return self._published(outcome)
            if not is_doubtful:
                raise self._refused(place, outcome)
            self._session.say(
                f"{self._pinned.file}: the whole has another MD5: what was there from before, or"
                " from another mirror, is fetched again"
            )
            self._left = leftovers.Leftover(self._partial, kept.of_now())

    @property
    def _partial(self) -> Partial:
        return self._left.partial

    def _in_parts(self, download: Ranged[Result], kept: Kept) -> Outcome[Result]:
        try:
            outcome = download.run(self._work)
        except BaseException:
            with contextlib.suppress(AlreadyAtWork):  # then it is another's by now
                download.save()
            raise
        finally:
            self._left = leftovers.Leftover(self._partial, kept.state)
        return outcome

    def _in_a_stream(self, place: Place, size: int | None) -> Outcome[Result]:
        self._session.say(
            f"{place.name} sends whole files only: one stream, and a cut begins it again"
        )
        self._left = leftovers.Leftover(self._partial, None)
        self._check_room(size or self._pinned.size or 0)
        outcome = fetch_stream(self._session, place, self._partial, self._work)
        if not self._pinned.is_of(outcome.md5):
            raise self._refused(place, outcome)
        return self._published(outcome)

    def _published(self, outcome: Outcome[Result]) -> Outcome[Result]:
        self._partial.publish(outcome.size)
        return outcome

    def _refused(self, place: Place, outcome: Outcome[Result]) -> Exception:
        """Return why a file is not the right one; nothing of it is kept."""
        if outcome.md5 is None and not isinstance(outcome.error, InputRefused):
            return outcome.error or RuntimeError("the reader of a download ended early")
        self._left = leftovers.Leftover(self._partial, None)
        if outcome.md5 is None and outcome.error is not None:
            return outcome.error
        head = self._partial.read(0, HEAD_BYTES)
        pinned = self._pinned
        refusal = pinned.refusal(self._target, str(outcome.md5), outcome.size, head, pinned)
        what = "the server has another file than the one of this MD5"
        return refusal.altered(what=what, file=place.name)

    def _check_size(self, place: Place, size: int) -> None:
        if self._pinned.size in {None, size}:
            return
        raise ArchiveRefused(
            "the server has a file of another size",
            file=place.name,
            expected=f"{self._pinned.size:,} bytes, MD5 {self._pinned.md5 or 'not known'}",
            found=f"{size:,} bytes",
            remedy="correct the address, or name another mirror with --mirror",
        )

    def _check_room(self, size: int) -> None:
        """Check that the rest of a file fits on the disk."""
        needed, free = size - self._partial.allocated, free_bytes(self._target.parent)
        if needed > free:
            raise NoSpace(
                "there is too little room for the file",
                file=str(self._target),
                expected=f"{needed:,} bytes free, beside what is there of it",
                found=f"{free:,} bytes free",
                remedy="free some space on that file system, or choose another folder with --raw",
            )


def _all_failed(target: Path, failures: list[tuple[Place, ShardmillError]]) -> ShardmillError:
    """Return the error that is raised where no place gave the file: one worth another try first."""
    transient = [error for _, error in failures if not error.permanent]
    error = transient[-1] if transient else failures[-1][1]
    if len(failures) == 1:
        return error
    reasons = Lines.of(f"{place.name}: {each.brief}" for place, each in failures)
    remedies = {each.remedy: place.name for place, each in failures if each.remedy}
    remedy = next(iter(remedies), None)
    if len(remedies) > 1:
        remedy = Lines.of(f"{name}: {text}" for text, name in remedies.items())
    what = "no mirror gave the file"
    return error.altered(
        what=what, file=str(target), place=None, expected=None, found=reasons, remedy=remedy
    )
