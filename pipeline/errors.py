"""Every error that shardmill raises on purpose.

::

    ShardmillError
     ├── UsageError                 status 2   options that cannot be met
     │    ├── ConfigError                      a configuration file that cannot be understood
     │    ├── OutputConflict                   another run's product stands in the way
     │    │    └── AlreadyAtWork               another process is making this very thing now
     │    ├── NoRanges                         a web server that only sends whole files
     │    ├── NoSuchBucket                     a store has no bucket of that name
     │    ├── WrongRegion                      a bucket lies in another region than was said
     │    ├── CredentialsRefused               a store does not take the keys, or there are none
     │    └── FrameworkMissing                 what a loader is for is not installed
     ├── InputRefused               status 3   the raw data is not what was promised
     │    ├── ArchiveMissing
     │    ├── ArchiveRefused                   wrong MD5, truncated, not a tar
     │    ├── NotCollected                     images that are still to be collected
     │    ├── TreeRefused                      a folder of images is absent or holds something else
     │    ├── ObjectMissing                    there is no object at a remote address
     │    ├── ObjectRefused                    a store or web server does not give an object out
     │    ├── CountMismatch                    a class has too few or too many images
     │    ├── BadImage                         no image in a known format
     │    │    └── TooManyPixels               more than are allowed, and no other fault
     │    └── BadAnnotation                    an annotation that cannot be understood
     ├── EnvironmentRefused         status 1   the machine says no
     │    ├── NoSpace
     │    └── NoPermission
     ├── OutputDamaged              status 1   something already written is not what it was
     └── TransientError             status 1   worth another try; everything above is not
          ├── NotVerifiedYet              what is wrong with it may not be the right archive
          ├── SourcesDiffer               an image was replaced while something was made of it
          ├── MemberDiffers               an image in an archive is not what was verified
          ├── ObjectChanged               a remote object was replaced since it was looked at
          ├── RemoteUnavailable           a store or web server failed after all tries
          │    └── Unreachable            it gives nothing to anybody: permanent
          ├── UploadDiffers               a store does not hold what was sent to it
          └── Vanished                    a file that was there is gone
               ├── NameTooLong            it never was: permanent
               └── LinkLoop               its link leads back to itself: permanent

A message says what happened, where, what was expected, what was found and what to do. Each of these
is one line that a terminal only shows; what lists things in several is given as `plaintext.Lines`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeAlias

from pipeline import plaintext
from pipeline.plaintext import Lines

Record: TypeAlias = Mapping[str, str | list[str] | None]
"""An error as plain data; a list holds the lines of a text."""


class ShardmillError(Exception):
    """Base of every deliberate error.

    Args:
        what: one sentence, no full stop.
        file: the file it is about, as the user would name it.
        place: where in that file: a 1-based line, a member, a byte offset.
        expected: what should have been there.
        found: what was there.
        remedy: what the user can do.
    """

    exit_status: ClassVar[int] = 1
    permanent: ClassVar[bool] = True

    def __init__(
        self,
        what: str,
        *,
        file: str | None = None,
        place: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what = what
        self.file = file
        self.place = place
        self.expected = expected
        self.found = found
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        head = plaintext.line(f"{self.file}: {self.what}" if self.file else self.what)
        details = (
            ("place", self.place),
            ("expected", self.expected),
            ("found", self.found),
            ("to do", self.remedy),
        )
        lines = [f"  {name + ':':<10}{_hang(text)}" for name, text in details if text]
        return "\n".join([head, *lines])

    def __reduce__(self) -> tuple[object, ...]:
        return from_record, (self.to_record(),)

    @property
    def brief(self) -> str:
        """What happened and what was found, in a line."""
        return f"{self.what}; found {self.found}" if self.found else self.what

    def altered(self, **texts: str | None) -> ShardmillError:
        """Return the same error with another file, place, remedy or other text."""
        return from_record({**self.to_record(), **texts})

    def to_record(self) -> dict[str, str | list[str] | None]:
        """Return the error as plain data, for a failure record; `from_record` reverses it."""
        names = ("what", "file", "place", "expected", "found", "remedy")
        texts: dict[str, str | None] = {name: getattr(self, name) for name in names}
        plain = {
            name: text.split("\n") if isinstance(text, Lines) else text
            for name, text in texts.items()
        }
        return {"type": type(self).__name__, **plain}


class UsageError(ShardmillError):
    """Options that contradict each other or cannot be met."""

    exit_status = 2


class ConfigError(UsageError):
    """A configuration file that cannot be understood."""


class OutputConflict(UsageError):
    """A product of another configuration stands where this one would go."""


class AlreadyAtWork(OutputConflict):
    """Another process is making what this one should make."""


class NoRanges(UsageError):
    """A web server sends whole files only, where parts of one are asked for."""


class NoSuchBucket(UsageError):
    """A store has no bucket of the name that an address begins with."""


class WrongRegion(UsageError):
    """A bucket lies in another region than the one that requests were signed for."""


class CredentialsRefused(UsageError):
    """There are no keys, or the store does not take them: unknown, wrong or expired ones."""


class FrameworkMissing(UsageError, ImportError):
    """The framework that a loader is for cannot be imported."""


class InputRefused(ShardmillError):
    """The raw data is not what the configuration promises."""

    exit_status = 3


class ArchiveMissing(InputRefused):
    """An archive is not where it was looked for."""


class ArchiveRefused(InputRefused):
    """An archive has the wrong digest, ends too early or is malformed."""


class NotCollected(InputRefused):
    """Images, or what they are chosen by, are still to be collected: the same command does it."""


class TreeRefused(InputRefused):
    """A folder of images is absent, or holds what does not belong there."""


class ObjectMissing(InputRefused):
    """There is no object at a remote address."""


class ObjectRefused(InputRefused):
    """A store or web server does not give an object out, or gives what cannot be used."""


class CountMismatch(InputRefused):
    """A class has fewer or more images than the configuration says."""


class BadImage(InputRefused):
    """Bytes that are no image in a known format."""


class TooManyPixels(BadImage):
    """An image of more pixels than are allowed; it is taken where more are."""


class BadAnnotation(InputRefused):
    """Bytes that are no annotation, or one that lacks what it must have."""


class EnvironmentRefused(ShardmillError):
    """The machine cannot do what is asked."""


class NoSpace(EnvironmentRefused):
    """The file system is full or too small."""


class NoPermission(EnvironmentRefused):
    """A file or folder may not be read or written."""


class OutputDamaged(ShardmillError):
    """A file that this program wrote is no longer what it wrote."""


class TransientError(ShardmillError):
    """A failure that another attempt may not meet."""

    permanent = False


class NotVerifiedYet(TransientError):
    """An archive is not what it should be, and its MD5 is still being computed."""


class SourcesDiffer(TransientError):
    """A part was made of other contents before: an image was replaced meanwhile."""


class MemberDiffers(TransientError):
    """An image in an archive has other bytes than when the archive was verified."""


class ObjectChanged(TransientError):
    """A remote object is another than when it was looked at: it was replaced meanwhile."""


class RemoteUnavailable(TransientError):
    """A store or web server did not answer, or not as it should, after all tries."""


class Unreachable(RemoteUnavailable):
    """A store or web server gave nothing at all, whatever it was asked for: a run ends with it."""

    permanent = True


class UploadDiffers(TransientError):
    """An upload was not refused, and yet the store does not hold what was sent."""


class Vanished(TransientError):
    """A file that should be there is not: another process may have moved it on."""


class NameTooLong(Vanished):
    """A name or path is longer than the file system takes: nothing can be there."""

    permanent = True


class LinkLoop(Vanished):
    """A link leads back to itself: nothing can be there."""

    permanent = True


def out_of_memory(error: MemoryError) -> TransientError:
    """Return the error that is raised where memory ran out."""
    return TransientError(
        "memory ran out",
        found=str(error) or None,
        remedy="run the same command again with fewer --workers (--num-thread of im2rec), or free"
        " some memory; what is finished is kept",
    )


def abbreviate(items: Iterable[str], most: int = 8) -> str:
    """Return the first items, separated by commas, and how many more there are."""
    shown, more = list[str](), 0
    for item in items:
        if len(shown) < most:
            shown.append(item)
        else:
            more += 1
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def from_record(record: Record) -> ShardmillError:
    """Rebuild an error from `ShardmillError.to_record`."""
    kind = _by_name().get(str(record.get("type")), ShardmillError)
    return kind(
        _text(record, "what") or "unknown error",
        file=_text(record, "file"),
        place=_text(record, "place"),
        expected=_text(record, "expected"),
        found=_text(record, "found"),
        remedy=_text(record, "remedy"),
    )


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    return Lines.of(value) if isinstance(value, list) else value


def _by_name() -> dict[str, type[ShardmillError]]:
    kinds: dict[str, type[ShardmillError]] = {}
    pending: list[type[ShardmillError]] = [ShardmillError]
    while pending:
        kind = pending.pop()
        kinds[kind.__name__] = kind
        pending.extend(kind.__subclasses__())
    return kinds


def _hang(text: str) -> str:
    if isinstance(text, Lines):
        return plaintext.lines(text).replace("\n", "\n" + " " * 12)
    return plaintext.line(text)
