"""What the ETag of an answer says: often the MD5 of an object, and not always."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_MD5: Final = re.compile(r"[0-9a-fA-F]{32}")


def bare(etag: object) -> str:
    """Return an ETag without its quotes, which some stores leave out, and in listings only."""
    return str(etag or "").strip().removeprefix("W/").strip('"')


def is_md5(answer: Mapping[str, Any]) -> bool:
    """Whether the ETag in the answer to an upload should be the MD5 of what was sent.

    It is none where the store encrypts with a key of KMS or of the client.
    """
    encryption = str(answer.get("ServerSideEncryption") or "")
    if encryption.startswith("aws:kms") or answer.get("SSECustomerAlgorithm"):
        return False
    return _MD5.fullmatch(bare(answer.get("ETag"))) is not None


def of_parts(md5s: Sequence[bytes]) -> str:
    """Return the ETag of an object that was sent in parts, as AWS and most others make it."""
    return f"{hashlib.md5(b''.join(md5s), usedforsecurity=False).hexdigest()}-{len(md5s)}"
