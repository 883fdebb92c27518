"""What a server sent instead of an archive or a file, seen from the first bytes of the body."""

from __future__ import annotations

from typing import Final

from pipeline.archives import signatures
from pipeline.errors import ArchiveRefused
from pipeline.storage.http.answers import error_code

LOGIN: Final = (
    "it needs an account: log in with a browser, write the header that it then sends (such as"
    " `Cookie: ...`) into a file that only you may read, and say --header @FILE; or put user and"
    " password into ~/.netrc and say --netrc"
)
_PACKED: Final = (".gz", ".tgz")
_OTHER_KINDS: Final = {
    ".zip": ("a zip archive", frozenset({"a zip archive"})),
    ".csv": ("a CSV file", frozenset[str]()),
    ".txt": ("a text", frozenset[str]()),
    ".json": ("a JSON document", frozenset({"a JSON document"})),
}
"""What files are that are no tar archives: in words, and as `signatures` may recognise them."""
_ERROR_DOCUMENTS: Final = (b"<?xml", b"<Error", b"<error")


def refusal(name: str, head: bytes, address: str, *, ended: bool) -> ArchiveRefused | None:
    """Return why the first bytes of a body cannot be those of an archive; None: they can.

    Args:
        name: the archive's file name.
        head: the first bytes of the body, `signatures.HEAD_BYTES` or all that there are.
        address: where they came from, for the message.
        ended: whether there are no more.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    what, found, remedy = "", "", ""
    expected, own = _expected(name)
    foreign = signatures.recognise(head)
    if not head and ended:
        what, found = "the server sent a file without a byte", "0 bytes"
        remedy = f"look at the address with a browser; perhaps {LOGIN}"
    elif text.startswith(_ERROR_DOCUMENTS) and b"<html" not in head.lower():
        what = "the server sent an XML document, most likely of an error"
        found, remedy = error_code(head) or "XML", f"correct the address; or {LOGIN}"
    elif text.startswith(b"<"):
        what, found = "the server sent a web page, most likely of a login", "HTML"
        remedy = LOGIN
    elif name.endswith(_PACKED) and not head.startswith(signatures.GZIP_MAGIC):
        if foreign is not None:
            what, found = f"the server sent {foreign.kind}", foreign.kind
        elif _is_tar(head):
            what = "the server, or a proxy, has decompressed the archive on the way"
            found = "an uncompressed tar"
            remedy = "fetch it past that proxy, or from another mirror with --mirror"
    elif not name.endswith(_PACKED) and foreign is not None and foreign.kind not in own:
        what, found = f"the server sent {foreign.kind}, and not {expected}", foreign.kind
        remedy = foreign.cause
    if not what:
        return None
    return ArchiveRefused(
        what,
        file=address,
        expected=expected,
        found=found,
        remedy=remedy or "correct the address, or name another mirror with --mirror",
    )


def _expected(name: str) -> tuple[str, frozenset[str]]:
    """Return what a file of this name is, in words, and what it may be recognised as."""
    if name.endswith(_PACKED):
        return "a gzip-packed tar", frozenset()
    suffix = name[name.rfind(".") :] if "." in name else ""
    return _OTHER_KINDS.get(suffix, ("a tar archive", frozenset()))


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"
