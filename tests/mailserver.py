"""A server on loopback that takes mails, and keeps them."""

from __future__ import annotations

import contextlib
import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self._say("354 go on")
                self._take()
                self._say("250 taken")
            elif word == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 well")

    def _take(self) -> None:
        content = b""
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            content += line.removeprefix(b".") if line.startswith(b"..") else line
        message = email.message_from_bytes(content, policy=email.policy.default)
        self.server.mails.append(message)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        super().__init__(("127.0.0.1", 0), _Handler)


@contextlib.contextmanager
def taking_mails(settings: Path) -> Iterator[list[EmailMessage]]:
    """Serve in this context, and write settings of Luigi that have mails sent there.

    Yields:
        The mails, which grow.
    """
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        port = server.server_address[1]
        settings.write_text(
            "[email]\nreceiver = someone@example.org\nforce_send = true\nprefix = [night]\n"
            f"[smtp]\nhost = 127.0.0.1\nport = {port}\n"
        )
        try:
            yield server.mails
        finally:
            server.shutdown()
            thread.join()


def text_of(mail: EmailMessage) -> str:
    """Return the text of a mail."""
    (part,) = [each for each in mail.walk() if each.get_content_maintype() == "text"]
    return str(part.get_content())
