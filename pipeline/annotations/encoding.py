"""XML in whatever encoding it declares, turned into UTF-8 before a parser sees it.

The parser is given one encoding, so that no other can hide a document type from the search for
one. How an encoding is told follows appendix F of XML 1.0: a byte order mark, the first
character, the declaration, in this order.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from pipeline.errors import BadAnnotation

_MARKS: Final = (  # the longer ones first: those of UTF-32 begin like those of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_STARTS: Final = (  # "<" without a mark
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED: Final = re.compile(
    rb"\s*<\?xml\s[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z][A-Za-z0-9._:-]{0,40})[\"']"
)
# What is declared in bytes cannot be of two or four each: it was changed, its declaration was not.
_WIDE: Final = re.compile(r"utf_?(16|32)|ucs_?[24]|iso_10646")
_WIDER: Final = {  # which has all that they have, and the characters that programs add to it
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "cp950",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
}
_ALIASES: Final = {  # names in use, of IANA or of browsers, that Python does not know
    "gb_2312-80": "gb18030",
    "windows-31j": "cp932",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
}
# Encodings of Python alone; some take a time that grows with the square of the length.
_OF_PYTHON: Final = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}


def as_utf8(content: bytes) -> bytes:
    """Return XML in UTF-8 and without a byte order mark; its declaration stays as it is.

    Raises:
        BadAnnotation: it is not in the encoding that it declares, or nobody knows that.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            rest = content[len(mark) :]
            return rest if encoding == "utf-8" else _decoded(rest, encoding)
    for start, encoding in _STARTS:
        if content.startswith(start):
            return _decoded(content, encoding)
    declared = _DECLARED.match(content)
    return _decoded(content, declared[1].decode()) if declared else content


def _decoded(content: bytes, encoding: str) -> bytes:
    try:
        if _WIDE.match(encoding.lower().replace("-", "_")) and content.lstrip()[:2] == b"<?":
            return content
        known = codecs.lookup(_ALIASES.get(encoding.lower(), encoding)).name
        if known == "utf-8":
            return content
        if known in _OF_PYTHON:
            raise LookupError
        return content.decode(_WIDER.get(known, known)).encode()
    except LookupError:  # also of what is no encoding of text
        found = f"the encoding {encoding!r}"
    except ValueError as error:
        found = str(error)
    raise BadAnnotation(
        "the annotation is not in an encoding that can be read",
        expected="XML in the encoding that it declares",
        found=found,
        remedy="correct the declaration, or save the file in UTF-8",
    )
