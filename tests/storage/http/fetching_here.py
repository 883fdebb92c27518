"""Fetches an archive from a server of this process, in this process."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from loopback import Loopback

from pipeline.sources.inputs import Archive
from pipeline.state import fetching
from pipeline.state.fetch_plan import FetchPlan
from pipeline.storage.http.fetch.session import Session
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer

NAME = "x.tar"
PART = 1 << 16
"""Bytes of a part in these tests, which are quick so."""
HURRIED = Patience(tries=3, few=2, first=0.0, longest=0.0, longest_asked=0.0)


class Cut(BaseException):
    """What stands for a signal."""


def a_tar(size: int, seed: int = 0) -> bytes:
    """Return a tar of class tars of about a size."""
    target, chance = io.BytesIO(), random.Random(seed)
    with tarfile.open(fileobj=target, mode="w") as outer:
        for number in range(3):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                _add(tar, f"n{number:08}_1.JPEG", chance.randbytes(size // 3))
            _add(outer, f"n{number:08}.tar", inner.getvalue())
    return target.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


THREE_PARTS = a_tar(2 * PART + 10_000)


@dataclass
class Here:
    """A folder that archives are fetched into.

    Attributes:
        raw: the folder.
        said: what a person was told.
        cut_at: at how many bytes that are there the next fetch is cut; None: it is not.
        watch: called with the number of bytes that are there.
    """

    raw: Path
    said: list[str] = field(default_factory=list)
    cut_at: int | None = None
    watch: Callable[[int], object] = lambda _done: None
    connections: int = 4
    rate: int = 0

    @property
    def file(self) -> Path:
        return self.raw / NAME

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def hidden(self) -> list[str]:
        """Return the names of what is not the archive, but for the record of the fetch."""
        names = (path.name for path in self.raw.iterdir()) if self.raw.exists() else ()
        return sorted(name for name in names if name not in {NAME, f".{NAME}.fetched"})

    def partial(self) -> Path:
        """Return the hidden file of a download that was cut."""
        (path,) = self.raw.glob(f".{NAME}.*.tmp")
        return path

    def fetch(self, archive: Archive, out: Path | None = None, **how: object) -> bool:
        """Fetch an archive, unless it is cut."""

        def tell(done: int, total: int | None) -> None:
            del total
            self.watch(done)
            if self.cut_at is not None and done >= self.cut_at:
                raise Cut

        plan = FetchPlan(self.raw, (archive,), out, **how)  # type: ignore[arg-type]
        with Transfer(self.connections, patience=HURRIED) as transfer:
            session = Session(
                transfer, self.connections, self.rate, tell=tell, say=self.said.append
            )
            return fetching.fetch(plan, archive, session)


def archive_at(
    server: Loopback, content: bytes | None = None, name: str = NAME, size: int | None = None
) -> Archive:
    """Return the archive that a server has, or should have."""
    md5 = hashlib.md5(server.content if content is None else content).hexdigest()
    return Archive("train", name, f"{server.url} (needs an account)", md5, size)


def cut(here: Here, server: Loopback, at: int = PART + 5_000) -> None:
    """Begin a download, and cut it."""
    here.cut_at = at
    with pytest.raises(Cut):
        here.fetch(archive_at(server))
    here.cut_at = None
    assert not here.file.exists()
    assert "are kept" in here.text
    server.forget()
    here.said.clear()
