"""One easy handle of libcurl, which carries out one request after another."""

from __future__ import annotations

from typing import Final

from pipeline.storage.http.libcurl import pycurl
from pipeline.storage.http.request import SILENT_SECONDS, SLOW_BYTES
from pipeline.storage.http.ticket import Ticket
from pipeline.storage.http.trust import certificates

BUFFER: Final = 1 << 18
"""Bytes that libcurl passes on at once, at most."""
CONNECT_SECONDS: Final = 20
"""Seconds after which a server that takes no connection is tried again."""
_IDLE_SECONDS: Final = 45  # most servers close a connection that rests after a minute
_AGENT: Final = "shardmill"
_PROTOCOLS: Final = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS


class Handle:
    """A handle whose options are set once; each request changes what differs from the last.

    libcurl follows no redirect by itself: it would send the user's headers to the other host.

    Args:
        raised: takes what is raised where libcurl calls, such as an interrupt: libcurl would
            print and forget it.
    """

    def __init__(self, raised: list[BaseException]) -> None:
        self.curl = pycurl.Curl()
        self._raised = raised
        self._head: list[bytes] = []
        self.ticket: Ticket | None = None
        self._url = ""
        self._ca_file: str | None = None
        self._last = (False, False, 0, SILENT_SECONDS, SLOW_BYTES)
        set_option = self.curl.setopt
        set_option(pycurl.NOSIGNAL, 1)
        set_option(pycurl.FOLLOWLOCATION, 0)
        set_option(pycurl.PROTOCOLS, _PROTOCOLS)
        set_option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        set_option(pycurl.SSL_VERIFYPEER, 1)
        set_option(pycurl.SSL_VERIFYHOST, 2)
        set_option(pycurl.PATH_AS_IS, 1)  # keys of objects are not paths
        set_option(pycurl.USERAGENT, _AGENT)
        set_option(pycurl.BUFFERSIZE, BUFFER)
        set_option(pycurl.CONNECTTIMEOUT, CONNECT_SECONDS)
        set_option(pycurl.LOW_SPEED_TIME, SILENT_SECONDS)
        set_option(pycurl.LOW_SPEED_LIMIT, SLOW_BYTES)
        set_option(pycurl.MAXAGE_CONN, _IDLE_SECONDS)
        set_option(pycurl.TCP_KEEPALIVE, 1)
        set_option(pycurl.HEADERFUNCTION, self._head.append)
        set_option(pycurl.WRITEFUNCTION, self._take, use_memoryview=True)

    def load(self, ticket: Ticket) -> None:
        """Make ready for the next try of a request."""
        self.ticket = ticket
        self._head.clear()
        ticket.begin(self._head)
        request = ticket.request
        if ticket.url != self._url:
            self._url = ticket.url
            self.curl.setopt(pycurl.URL, ticket.url)
        self.curl.setopt(pycurl.HTTPHEADER, ticket.headers)
        if self._ca_file != request.ca_file:
            self._trust(request.ca_file)
        slow = request.slow_bytes
        last = (request.head, ticket.netrc, request.rate, request.silent_s, slow)
        if last != self._last:
            self._last = last
            self.curl.setopt(pycurl.NOBODY if request.head else pycurl.HTTPGET, 1)
            optional = pycurl.NETRC_OPTIONAL if ticket.netrc else pycurl.NETRC_IGNORED
            self.curl.setopt(pycurl.NETRC, optional)
            self.curl.setopt(pycurl.MAX_RECV_SPEED_LARGE, request.rate)
            slow = min(slow, request.rate // 2) if request.rate else slow
            self.curl.setopt(pycurl.LOW_SPEED_LIMIT, slow)
            self.curl.setopt(pycurl.LOW_SPEED_TIME, request.silent_s)

    def unload(self) -> None:
        """Forget a request whose try is over, with what it holds."""
        self.ticket = None

    def close(self) -> None:
        """Give the handle back to libcurl."""
        self.ticket = None
        self.curl.close()

    def _take(self, piece: memoryview) -> int | None:
        try:
            return self.ticket.take(piece) if self.ticket is not None else 0
        except BaseException as error:  # noqa: BLE001 - raised again when libcurl has returned
            self._raised.append(error)
            return 0

    def _trust(self, ca_file: str) -> None:
        file, folder = certificates(ca_file)
        for option, path in ((pycurl.CAINFO, file), (pycurl.CAPATH, folder)):
            if path is not None:
                self.curl.setopt(option, path)
            else:
                self.curl.unsetopt(option)
        self._ca_file = ca_file
