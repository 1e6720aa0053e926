"""What a watcher looks at beside the turns: messages that go by, and the links."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from server.inquiries import LinksQuestion, TapQuestion
from server.office import Office
from server.taps import Tap
from server.watchers import Watcher
from server.wire import valid

VIEWS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "tap": TypeAdapter(TapQuestion),
    "links": TypeAdapter(LinksQuestion),
}
"""What may be looked at, by the word on the wire."""


class Views:
    """The views of one watcher."""

    __slots__ = ("_office", "_pattern", "_tap", "_watcher")

    def __init__(self, office: Office, watcher: Watcher) -> None:
        self._office = office
        self._watcher = watcher
        self._tap = Tap(watcher.connection, watcher.send)
        self._pattern = ""

    def show(self, word: str, args: Mapping[str, Any]) -> list[Any]:
        """Open or close a view; return what it shows at once.

        Raises:
            Invalid: a field is of the wrong kind, or the pattern malformed.
        """
        question = valid(VIEWS[word], args)
        if word == "links":
            self._watcher.wants_links = question.get("follow", True)
            return self._office.links.all(self._office.url)
        self._look_at(question.get("pattern", ""))
        return []

    def close(self) -> None:
        """Close the view of messages, if it is open."""
        self._look_at("")

    def _look_at(self, pattern: str) -> None:
        if pattern:
            self._office.taps.open(pattern, self._tap)
        if self._pattern and self._pattern != pattern:
            self._office.taps.close(self._pattern, self._tap)
        self._pattern = pattern
