"""Templates: everything that they show is escaped, whoever wrote it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline import plaintext, storage
from pipeline.report import charts


def render(template: str, page: object, root: str) -> bytes:
    """Return a page.

    Args:
        template: its file.
        page: what it says.
        root: relative address of the folder of style and script, with a slash at its end.
    """
    return _environment().get_template(template).render(page=page, root=root).encode()


def asset(name: str) -> bytes:
    """Return the style or the script of the page."""
    return storage.read_bytes(storage.resolved(Path(__file__)).parent / "assets" / name)


def script_of(name: str, value: object) -> bytes:
    """Return a script that sets a variable of the window, whatever the texts in it hold.

    All is ASCII, and ``<`` is escaped: nothing in it can end a script or begin a comment of HTML.
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.{name}={text};\n".encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        keep_trailing_newline=True,
    )
    environment.filters.update(href=_href, breaking=_breaking)
    environment.globals.update(width=charts.WIDTH, height=charts.HEIGHT)
    return environment


def _shown(value: Any) -> Any:
    """Return what stands for a value: no text of others has a character that nobody sees."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return plaintext.line(value)
    return value


def _breaking(text: str) -> Markup:
    """Return a key or a path that a browser breaks behind its slashes, if anywhere."""
    return Markup("/<wbr>").join(escape(part) for part in plaintext.line(text).split("/"))


def _href(path: str) -> str:
    """Return the address of a path or of a place on a page: each name in it quoted."""
    path, mark, place = path.partition("#")
    return quote(path) + (mark + quote(place) if mark else "")
