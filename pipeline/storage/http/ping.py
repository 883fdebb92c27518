"""One small request to an address that counts them, such as that of a health check."""

from __future__ import annotations

from typing import Final

from pipeline.errors import RemoteUnavailable
from pipeline.storage.http.libcurl import pycurl
from pipeline.storage.http.trust import certificates

_AGENT: Final = "shardmill"
_GOOD: Final = range(200, 300)


def ping(url: str, body: bytes, seconds: float) -> None:
    """Send a small POST request once; a redirect is not followed, and the answer is not read.

    Args:
        url: the address, of http or https; no message names it, since it may be a secret.
        body: what is sent.
        seconds: how long all of it may take.

    Raises:
        RemoteUnavailable: there was no answer in that time, or none of success.
    """
    curl = pycurl.Curl()
    try:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.TIMEOUT_MS, int(seconds * 1000))
        curl.setopt(pycurl.USERAGENT, _AGENT)
        curl.setopt(pycurl.HTTPHEADER, ["Content-Type: text/plain", "Expect:"])
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.HEADERFUNCTION, _pass_over)
        curl.setopt(pycurl.WRITEFUNCTION, _pass_over)
        for option, path in zip((pycurl.CAINFO, pycurl.CAPATH), certificates(), strict=True):
            if path is not None:
                curl.setopt(option, path)
        curl.perform()
        status = curl.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error as error:
        code, *words = error.args  # the words name the host, and nothing else of the address
        found = " ".join(map(str, words)) or f"error {code} of libcurl"
        raise RemoteUnavailable("no answer", found=found) from error
    finally:
        curl.close()
    if status not in _GOOD:
        raise RemoteUnavailable("another answer than success", found=f"HTTP status {status}")


def _pass_over(_: bytes) -> None: ...
