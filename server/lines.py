"""HTTP as uvicorn speaks it, with an end to what may come before a body.

The parser itself takes a request line and headers of any length, from anybody, and
keeps them all.
"""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT: Final = 1 << 16
"""Bytes of a request line and headers, if they come in more than one piece."""


class Lines(HttpToolsProtocol):
    """One connection of HTTP/1.1."""

    _unfinished = 0
    """Bytes of a head that is not complete."""
    _in_head = True

    def data_received(self, data: bytes) -> None:
        """Take what came; refuse a head that does not end."""
        super().data_received(data)
        if self._in_head:
            self._unfinished += len(data)
            if self._unfinished > HEAD_LIMIT and not self.transport.is_closing():
                self.send_400_response("the request line and headers are too long")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._in_head, self._unfinished = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more: bodies have a limit of their own."""
        self._in_head = False
        super().on_headers_complete()
