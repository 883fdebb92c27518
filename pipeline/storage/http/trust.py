"""Which certificates are trusted.

libcurl's own wheels know no folder of the system that they run on, and the variables that the
program ``curl`` reads mean nothing to the library: both are looked up here.
"""

from __future__ import annotations

import os
import ssl
from typing import Final

VARIABLES: Final = ("CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""What names a file of trusted certificates; the first that is set counts."""


def certificates(ca_file: str = "") -> tuple[str | None, str | None]:
    """Return a PEM file and a folder of the certificates that are trusted; None: there is none.

    Args:
        ca_file: the file that the user names beside the variables; empty: none.
    """
    named = ca_file or next((os.environ[name] for name in VARIABLES if os.environ.get(name)), "")
    if named:
        return named, None
    paths = ssl.get_default_verify_paths()
    return paths.cafile, paths.capath
