"""Whether a file is the archive that it should be, and if not, what it probably is."""

from __future__ import annotations

from pipeline import storage
from pipeline.archives import signatures
from pipeline.archives.tar import COMPARE_MD5, ENDS_EARLY
from pipeline.errors import ArchiveRefused
from pipeline.plaintext import Lines
from pipeline.storage import Location


def check_identity(
    archive: Location,
    found_md5: str,
    found_size: int,
    head: bytes,
    expected: tuple[str | None, int | None],
    scan: ArchiveRefused | None,
) -> None:
    """Check that a file is the archive of the expected MD5 and size.

    Args:
        archive: the file.
        found_md5: its MD5, 32 lower-case hex digits.
        found_size: its size in bytes.
        head: its first bytes.
        expected: MD5 and size in bytes, each None if it is not known; the size decides only where
            the MD5 is not known.
        scan: why its content is no archive, if it is none.

    Raises:
        ArchiveRefused: it is not.
    """
    md5, size = expected
    right = size in {None, found_size} if md5 is None else found_md5 == md5.lower()
    if right:
        return
    facts = [f"MD5 {found_md5}, {found_size} bytes"]
    if scan:
        facts.append(f"{scan.what}: {scan.place}, expected {scan.expected}, found {scan.found}")
    named = [f"MD5 {md5.lower()}"] if md5 is not None else []
    named += [f"{size} bytes"] if size is not None else []
    missing = size - found_size if size is not None else 0
    raise ArchiveRefused(
        f"the archive does not have the published {'size' if md5 is None else 'MD5'}",
        file=str(archive),
        expected=", ".join(named),
        found=Lines.of(facts),
        remedy="a tar of that folder is not what it was, or one is missing or was added"
        if storage.is_tar_folder(archive)
        else f"{_likely_cause(archive.name, head, missing, scan)}; download it again",
    )


def _likely_cause(name: str, head: bytes, missing: int, scan: ArchiveRefused | None) -> str:
    foreign = signatures.recognise(head)
    if foreign is not None and foreign.cause:
        return foreign.cause
    if name.endswith((".gz", ".tgz")) and not head.startswith(signatures.GZIP_MAGIC):
        return "it was decompressed on the way, as some browsers do: use curl or wget"
    if missing > 0:
        return f"the download broke off: the last {missing} bytes are missing"
    if scan and scan.what == ENDS_EARLY:
        return "the download broke off"
    return "it was damaged on the way, or is another archive of that name"


def of_right_md5(refusal: ArchiveRefused) -> ArchiveRefused:
    """Return a refusal that does not ask for a download of what was downloaded whole."""
    if refusal.remedy != COMPARE_MD5:
        return refusal
    return ArchiveRefused(
        refusal.what,
        file=refusal.file,
        place=refusal.place,
        expected=refusal.expected,
        found=refusal.found,
        remedy="its MD5 is the one in the configuration, so another download would be no "
        "different: pack it anew and correct `md5`, or unpack it and read it with --tree",
    )
