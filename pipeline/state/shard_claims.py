"""Which process says that it is writing a shard: advisory, and nobody relies on it.

Parts that have written their own shards take some of others. So that they do not all take the same
ones, whoever writes a shard says so in a small document, and renews it while it writes. A claim may
be lost, left behind or made twice at any moment: a shard that two processes write is the same.

Clocks of two hosts do not agree. So a process of another host is gone when its claim was not
renewed for a while by the clock of whoever looks; one of the same host, when it does not run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from pipeline import manifest, paths, storage
from pipeline.documents.part_numbers import numbers
from pipeline.documents.shards import ShardClaim
from pipeline.errors import ShardmillError
from pipeline.storage import Location, Owner, Plan

RENEW_S: Final = 15.0
"""Seconds after which a claim is renewed."""
PATIENCE_S: Final = 90.0
"""Seconds without renewal after which a process of another host is taken for gone."""

_ANY_FAMILY: Final = "0" * 12


@dataclass
class ShardClaims:
    """The claims on the shards of one split, as this process makes and sees them.

    Attributes:
        out: the output folder.
        family: digest of which image goes where; see `SplitJob.shards_digest`.
        clock: returns seconds that only grow.
    """

    out: Location
    family: str
    clock: Callable[[], float] = time.monotonic
    _held: dict[int, int] = field(default_factory=dict)
    _seen: dict[int, tuple[ShardClaim, float]] = field(default_factory=dict)
    _renewed: float = 0.0

    def take(self, shard: int) -> None:
        """Say that this process is writing a shard, whoever else may say so."""
        self._held[shard] = 0
        self._publish(shard)

    def renew(self) -> None:
        """Say so again of all that it writes, if it is time."""
        now = self.clock()
        if now - self._renewed < RENEW_S:
            return
        self._renewed = now
        for shard in self._held:
            self._held[shard] += 1
            self._publish(shard)

    def drop(self, shard: int) -> None:
        """Say that this process does not write a shard any more."""
        self._held.pop(shard, None)
        with contextlib.suppress(ShardmillError):  # it says nothing once the shard is there
            storage.remove(self.out, self._place(shard))

    def is_free(self, shard: int) -> bool:
        """Whether nobody else who seems to be alive says that he writes a shard."""
        claim = manifest.read_undamaged(self._place(shard), ShardClaim)
        if claim is None or shard in self._held:
            self._seen.pop(shard, None)
            return claim is None
        process = _process(claim)
        if process.is_comparable:
            return not process.runs()
        before, since = self._seen.get(shard, (None, 0.0))
        if before != claim:
            self._seen[shard] = (claim, self.clock())
            return False
        return self.clock() - since > PATIENCE_S

    def _publish(self, shard: int) -> None:
        document = asdict(storage.this_process()) | {"renewed": self._held[shard]}
        with contextlib.suppress(ShardmillError):  # it is advisory: the shard says so itself
            manifest.publish_alone(self._place(shard), document)

    def _place(self, shard: int) -> Location:
        return paths.shard_claim(self.out, self.family, shard)


def sweep(out: Location, family: str, written: Callable[[int], bool]) -> None:
    """Remove the claims on shards that are there, which whoever was killed has left.

    Args:
        out: the output folder.
        family: see `ShardClaims`.
        written: whether a shard is there.
    """
    for place in storage.documents(paths.shard_claim(out, family, 0).parent):
        if any(map(written, numbers([place]))):
            storage.remove(out, place)


def sweep_gone(out: Location) -> None:
    """Remove the claims of processes of this host that are gone, whatever job they were about."""
    if storage.folders(_all(out)):
        storage.carry_out(leftovers(out, of_other_hosts=False))


def leftovers(out: Location, *, of_other_hosts: bool) -> Plan:
    """Return what goes of claims: of processes that are gone, and what cannot be read as one.

    Args:
        out: the output folder.
        of_other_hosts: whether those of processes go, too, of which nothing is known here.
    """

    def goes(path: Location) -> bool:
        if not numbers([path]):
            return paths.is_digest(path.name)  # a folder
        claim = manifest.read_undamaged(path, ShardClaim)
        if claim is None:
            return True
        process = _process(claim)
        return not process.runs() if process.is_comparable else of_other_hosts

    plan = storage.plan_folder(out, _all(out), goes)
    return plan if plan.files else Plan(out)  # empty folders are nothing to ask about


def _all(out: Location) -> Location:
    """Return the folder of the claims of all jobs."""
    return paths.shard_claim(out, _ANY_FAMILY, 0).parent.parent


def _process(claim: ShardClaim) -> Owner:
    return Owner(claim.host, claim.pid, claim.place, claim.birth)
