"""The program ``shardmill``: starts the command, if the packages that are found are its own.

``pipeline`` and ``tasks`` are names that packages of others may have, too. Python takes the first
one on its path, and what would follow is an error of an import that nobody understands. This module
imports nothing but the standard library.
"""

from __future__ import annotations

import signal
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Final

PACKAGES: Final = ("pipeline", "tasks")
"""The packages that shardmill consists of, which lie beside this file."""
_OWN: Final = ("pipeline.plaintext", "tasks.cli")
"""A module of each that no other package has."""
_REMEDY: Final = (
    "install shardmill into an environment of its own, from its checkout: pipx install . or"
    " uv tool install . ; and take the other folder out of PYTHONPATH, if it is there"
)


def main() -> None:
    """Run the command and exit with its status; 1 if the packages are not its own."""
    # Until the command sets its own, an interrupt ends this as it ends others, without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    why = in_the_way(Path(__file__).parent)
    if why is not None:
        sys.stderr.write(f"shardmill: {shown(why)}\n  to do:    {_REMEDY}\n")
        sys.exit(1)
    from tasks.cli import main as run  # noqa: PLC0415 - only if that is ours

    run()


def in_the_way(home: Path) -> str | None:
    """Return which package of another program is in the place of one of shardmill's; None: none.

    Args:
        home: the folder that shardmill's packages lie in.
    """
    for package, own in zip(PACKAGES, _OWN, strict=True):
        spec = find_spec(package)
        place = _place(spec)
        if place is None:
            return f"its package {package!r} is not installed: it should lie in {home}"
        if place.resolve() != (home / package).resolve():
            what = f"a package of another program is called {package!r}, too"
            return f"{what}, and is found first: {place}"
        if find_spec(own) is None:
            return f"its package {package!r} in {home} was overwritten by another{_owners(package)}"
    return None


def _owners(package: str) -> str:
    """Return which other distributions have written a package, as far as that is known."""
    from importlib.metadata import packages_distributions  # noqa: PLC0415 - slow, for a refusal

    owners = sorted({*packages_distributions().get(package, ())} - {"shardmill"})
    return f", of {', '.join(owners)}" if owners else ""


def _place(spec: ModuleSpec | None) -> Path | None:
    """Return the folder of a package, or the file of a module in its place; None: there is none."""
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin else None


def shown(text: str) -> str:
    """Return a text as a line that a terminal only shows, whatever stands in names of folders."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
