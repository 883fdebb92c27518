"""Removals below an address that a person is asked about: planned, and carried out."""

from __future__ import annotations

import stat as stat_module
from collections.abc import Iterable

from pipeline.storage.location import Remote
from pipeline.storage.removal import Doomed, Outcome, Owns, Plan, Unfinished
from pipeline.storage.s3 import removal
from pipeline.storage.s3.listing import Listing, ObjectInfo, read_folder
from pipeline.storage.s3.store import Store


class Removals:
    """Plans and carries out removals below one address.

    What counts as absent because a run took it away is an object here, too.

    Args:
        root: the address that nothing outside of is removed.
        store: that holds it.
    """

    def __init__(self, root: Remote, store: Store) -> None:
        self._root = root
        self._store = store

    def plan_files(self, files: Iterable[Remote]) -> Plan:
        """Plan to remove some objects; absent is fine."""
        items = []
        for place in files:
            info = self._store.listing(place.parent).objects.get(place.name)
            if info is not None:
                items.append(_doomed(place, info))
        return Plan(self._root, tuple(items))

    def plan_folder(self, folder: Remote, owns: Owns) -> Plan:
        """Plan to remove the objects below a folder that are owned, as are the folders between."""
        items, strangers = list[Doomed](), list[Remote]()
        listing = self._store.listing(folder)
        for name, info in sorted(listing.objects.items()):
            place = folder / name
            if owns(place):
                items.append(_doomed(place, info))
            else:
                strangers.append(place)
        plan = Plan(self._root, tuple(items), tuple(strangers))
        for name in sorted(listing.folders):
            inner = folder / name
            plan += self.plan_folder(inner, owns) if owns(inner) else Plan(inner, (), (inner,))
        return plan

    def carry_out(self, plan: Plan) -> Outcome:
        """Remove the objects of a plan, unless they are others by now.

        Raises:
            ShardmillError: one cannot be removed; those before it are gone.
        """
        going, kept = list[Doomed](), list[Doomed]()
        now = dict[Remote, Listing]()
        for item in plan.items:
            (going if self._is_unchanged(item, now) else kept).append(item)
        for batch in (going[:1], going[1:]):
            places = [item.path for item in batch if isinstance(item.path, Remote)]
            failures = removal.remove(self._store.client, places)
            for place in places:
                if place not in failures:
                    self._store.known.removed(place)
            if failures:
                raise next(iter(failures.values()))
        return Outcome(tuple(going), tuple(kept))

    def unfinished(self) -> list[Unfinished]:
        """Return the unfinished uploads below the root; none where the store does not tell."""
        return removal.unfinished(self._store.client, self._root) or []

    def give_up(self, upload: Unfinished) -> None:
        """Have the store forget the parts of an upload."""
        removal.give_up(self._store.client, upload)

    def _is_unchanged(self, item: Doomed, now: dict[Remote, Listing]) -> bool:
        """Whether an object is what it was; one that is gone is as good as removed.

        Args:
            item: what is to go.
            now: what the folders that were looked at anew hold, to which others are added.
        """
        place = item.path
        if not isinstance(place, Remote):
            return False
        if place.parent not in now:
            now[place.parent] = read_folder(self._store.client, place.parent)
        info = now[place.parent].objects.get(place.name)
        return info is None or _doomed(place, info) == item


def _doomed(place: Remote, info: ObjectInfo) -> Doomed:
    return Doomed(place, info.size, (stat_module.S_IFREG, info.as_file.number))
