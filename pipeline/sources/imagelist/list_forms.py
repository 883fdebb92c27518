r"""Forms of image lists that are not im2rec's, recognised by a line, and what to do about them.

Nothing is read in these forms: which number is the label, and which the id, is not to be guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_IMAGE: Final = r"\.(?:jpe?g|png|bmp|gif|webp|tiff?|p[gpn]m)"
_NUMBER: Final = r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"
_LONGEST: Final = 8192  # characters of a line that is looked at
_TABS: Final = "write each line as id, label and path with TABs between them"
_CSV: Final = f"call it .csv, and name its columns in the first line: path,label; or {_TABS}"
_JSONL: Final = f'call it .jsonl, with {{"path": ..., "label": ...}} in each line; or {_TABS}'
_AWK: Final = (
    r"""awk '{sub(/\r$/, ""); label = $NF; sub(/[ \t]+[^ \t]+$/, ""); """
    r"""print NR - 1 "\t" label "\t" $0}' LIST > NEW.lst"""
)


@dataclass(frozen=True)
class ListForm:
    """A form of image lists.

    Attributes:
        name: of the form, as part of a sentence.
        remedy: what makes a list of im2rec's form of it.
    """

    name: str
    remedy: str


_FORMS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), ListForm(name, remedy))
    for pattern, name, remedy in (
        (
            r"\x00?(?:[^\x00]\x00){3,}.*",
            "text in UTF-16",
            "save it as UTF-8: iconv -f UTF-16LE -t UTF-8 LIST > NEW.lst",
        ),
        (
            r"[^\r]*\r[+]?[0-9]+[ \t].*",
            "lines that end in CR alone, as old Macs wrote them",
            r"end them with LF: tr '\r' '\n' < LIST > NEW.lst",
        ),
        (r"[{[\"].*[}\]],?", "JSON", _JSONL),
        (
            rf".*{_IMAGE}[ \t]+{_NUMBER}",
            "the form of Caffe, a path and then its label",
            f"write id, label and path instead: {_AWK}",
        ),
        (
            rf".*{_IMAGE}(?:[ \t]+{_NUMBER}){{2,}}",
            "a path and then several numbers",
            f"{_TABS}, all labels before the path",
        ),
        (
            rf".*{_IMAGE}(?:[ \t]+{_NUMBER}(?:,{_NUMBER})+)+",
            "a path and then boxes, as detectors list them",
            f"{_TABS}; detection labels have the form of im2rec: a header's size, the size of an"
            " object, and the objects",
        ),
        (
            rf"(?!.*[^,; \t][ \t])(?:[^\t]*{_IMAGE}\"?[,;].*|[^\t]*[,;]\"?[^,;\t]*{_IMAGE}\"?)",
            "a table with commas or semicolons (CSV)",
            _CSV,
        ),
        (
            rf"(?!.*[ \t]{_NUMBER}[ \t])[^0-9+\t-][^\t]*{_IMAGE}",
            "a path without an id and a label",
            _TABS,
        ),
    )
)
_HEADER: Final = re.compile(
    r"[a-z_ ]*\b(?:id|index|label|class|path|file|filename|image)\b.*", re.IGNORECASE
)
_HEADER_FORM: Final = ListForm(
    "a header", "take the first line away; the columns are id, label, path"
)


def recognised(line: str, number: int) -> ListForm | None:
    """Return the form that a line which is not im2rec's has; None: it is not known.

    Args:
        line: without its end, and without blanks around it.
        number: of the line, from 1: only the first can be a header.
    """
    if len(line) > _LONGEST:
        return None
    for pattern, form in _FORMS:
        if pattern.fullmatch(line):
            return form
    return _HEADER_FORM if number == 1 and _HEADER.fullmatch(line) else None
