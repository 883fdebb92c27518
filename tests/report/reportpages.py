"""What tests read of a page: its links, texts and images, by a parser of HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

_EMPTY = {"meta", "link", "img", "input", "br", "wbr"}


@dataclass
class Page(HTMLParser):
    """A page as a browser reads it.

    Attributes:
        path: of its file.
        tags: each with its attributes, in order.
        texts: what stands between them.
    """

    path: Path
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text())
        self.close()
        assert self.open == [], f"{self.path} does not close {self.open}"

    def __hash__(self) -> int:
        return hash(self.path)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag in; each but the empty ones is closed, in its order."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag in that is closed at once."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Close a tag."""
        assert self.open.pop() == tag, f"{self.path}, line {self.getpos()[0]}: {tag}"

    def handle_data(self, data: str) -> None:
        """Take a text in."""
        if self.tags and self.tags[-1][0] == "wbr":
            self.tags.pop()  # it goes on where it may break
            self.texts[-1] += data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """What a person reads."""
        return " ".join(" ".join(self.texts).split())

    def of(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Return the attributes of all tags of a name that have some of these values."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            given for name, given in self.tags if name == tag and wanted.items() <= given.items()
        ]

    @property
    def links(self) -> list[Path]:
        """Return the files that it leads to or shows, but for places on itself."""
        found = [
            given[name]
            for _, given in self.tags
            for name in ("href", "src")
            if given.get(name) and not given[name].startswith(("#", "data:"))
        ]
        return [(self.path.parent / unquote(each.partition("#")[0])).resolve() for each in found]


def pages(report: Path) -> list[Page]:
    """Return all pages of a report, the first one first."""
    others = sorted(path for path in report.rglob("*.html") if path.name != "index.html")
    return [Page(report / "index.html"), *map(Page, others)]
