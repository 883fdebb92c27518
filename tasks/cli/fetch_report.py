"""How ``shardmill fetch`` goes through archives, what it shows, and its exit status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import storage
from pipeline.errors import AlreadyAtWork, InputRefused
from pipeline.processes.interrupts import held
from pipeline.quantities import size
from pipeline.sources.inputs import Archive
from pipeline.state import fetching
from pipeline.state.fetch_plan import FetchPlan, plan_of
from pipeline.storage.http.fetch.session import Session
from pipeline.storage.http.transfer import Transfer
from tasks.cli.display import bytes_display
from tasks.cli.saying import say, say_refusal, voice

_COMPLETE, _OVERLAP = 0, 10


def fetch_all(given: Mapping[str, Any]) -> int:
    """Fetch the archives that a command is asked for; return the exit status.

    One that is refused, or that another command fetches, does not keep the others from being
    fetched.
    """
    plan = plan_of(given)
    plan.check()
    statuses = [_status(plan, archive) for archive in plan.archives]
    refused = [status for status in statuses if status not in {_COMPLETE, _OVERLAP}]
    return refused[0] if refused else max(statuses, default=_COMPLETE)


def _status(plan: FetchPlan, archive: Archive) -> int:
    try:
        _fetch(plan, archive)
    except AlreadyAtWork as error:
        say_refusal(error)
        return _OVERLAP
    except InputRefused as error:
        say_refusal(error)
        return error.exit_status
    return _COMPLETE


def _fetch(plan: FetchPlan, archive: Archive) -> None:
    with Transfer(plan.connections) as transfer, bytes_display() as show:

        def tell(done: int, of: int | None) -> None:
            show(f"fetch {archive.file}", done, of or done)

        session = Session(transfer, plan.connections, plan.rate, held, tell, _tell)
        is_new = fetching.fetch(plan, archive, session)
    info = storage.stat(plan.target(archive))
    what = "fetched" if is_new else "there already"
    indexed = f"; verified for {plan.out}" if is_new and plan.out else ""
    fields = {"file": archive.file, "md5": archive.md5, "bytes": info.size if info else 0}
    voice().event("archive", **fields, fetched=is_new, path=str(plan.target(archive)))
    say(f"{archive.file}: {what}, {size(info.size if info else 0)}, MD5 {archive.md5}{indexed}")


def _tell(text: str) -> None:
    say(text, err=True)
