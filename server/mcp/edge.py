"""``POST /mcp``: frames in, answers out."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.types import ASGIApp

from server.asgi import Reply
from server.mcp import protocol, shapes
from server.mcp.calling import ToolCall
from server.mcp.protocol import Frame, ProtocolError
from server.mcp.sessions import Key, is_session, make_session
from server.mcp.tools import INSTRUCTIONS, TABLE, TOOLS, Caller
from server.office import Office
from server.routes import OWN, Call, Route


async def post(office: Office, call: Call) -> Reply | ASGIApp:
    """Answer a frame."""
    body = await call.body()
    try:
        frame = protocol.read_frame(body)
        modern = protocol.is_modern(frame, call.head)
        return Exchange(office, call, frame, modern=modern, size=len(body)).begin()
    except ProtocolError as refusal:
        return Reply(refusal.body, refusal.status)


class Exchange:
    """One frame, and how it is answered."""

    def __init__(
        self, office: Office, call: Call, frame: Frame, *, modern: bool, size: int
    ) -> None:
        self.office = office
        self.call = call
        self.frame = frame
        self.modern = modern
        self.caller = Caller(
            call.principal, call.query().get("agent", ""), call.key(), size
        )
        self.session = call.head.get(b"mcp-session-id")
        self.server = {
            "name": "swarmtui",
            "title": "swarmtui hub",
            "version": office.hub.version,
        }

    def begin(self) -> Reply | ASGIApp:
        """Answer, or return what does.

        Raises:
            ProtocolError: the frame is refused.
        """
        if self.frame.method != "tools/call":
            self.office.slow_client(self.call.principal.token)
        if self.frame.method == "initialize" and self.frame.id is not None:
            return self._shake_hands()
        self._check_session()
        if self.frame.id is None:
            return self._take_note()
        if self.frame.method == "tools/call":
            return self._call_tool()
        method = METHODS.get(self.frame.method)
        if method is None:
            raise self.frame.refuse(
                protocol.METHOD_NOT_FOUND,
                f"there is no method {self.frame.method[:60]!r} here: this hub has "
                "tools, tools/list tells which",
                status=404 if self.modern else 200,
            )
        return Reply(self.answer(method(self)))

    def answer(self, result: Mapping[str, Any]) -> bytes:
        """Return a result as the answer to the frame."""
        return protocol.answer(
            self.frame, result, modern=self.modern, server=self.server
        )

    # --- sessions ---

    def _shake_hands(self) -> Reply:
        version = protocol.negotiated(self.frame.params.get("protocolVersion"))
        result = {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": self.server,
            "instructions": INSTRUCTIONS,
        }
        session = make_session(self.office.keyring.keys.secret, self.call.principal)
        return Reply(
            self.answer(result), headers=((b"mcp-session-id", session.encode()),)
        )

    def _check_session(self) -> None:
        """Refuse a session that is not this client's; one that has none needs none."""
        secret = self.office.keyring.keys.secret
        if self.session and not is_session(secret, self.call.principal, self.session):
            raise self.frame.refuse(
                protocol.INVALID_REQUEST,
                "the session is not one that this hub gave to you: initialize again",
                status=404,
            )

    def _take_note(self) -> Reply:
        """Take a notification; that a call is called off is the one that counts."""
        named = protocol.plain_id(self.frame.params.get("requestId"))
        if self.frame.method == "notifications/cancelled" and named is not None:
            self.office.under_way.cancel(self._key(named))
        return Reply(b"", 202)

    def _key(self, request: protocol.Id) -> Key:
        return self.call.principal.token, self.session, request

    # --- tools ---

    def _call_tool(self) -> ASGIApp:
        name = self.frame.params.get("name")
        tool = TOOLS.get(name) if isinstance(name, str) else None
        if tool is None:
            raise self.frame.refuse(
                protocol.INVALID_PARAMS,
                f"there is no tool {str(name)[:60]!r}: there are {', '.join(TOOLS)}",
                status=400 if self.modern else 200,
            )
        said = self.frame.params.get("arguments") or {}
        if not isinstance(said, dict):
            raise self.frame.refuse(
                protocol.INVALID_PARAMS,
                "the arguments are not an object: send them by name",
                status=400 if self.modern else 200,
            )
        request = self.frame.id
        return ToolCall(
            office=self.office,
            call=self.call,
            caller=self.caller,
            tool=tool,
            said=said,
            frame=self.frame,
            answer=self.answer,
            key=self._key(request) if self.session and request is not None else None,
        )


METHODS: Final[Mapping[str, Callable[[Exchange], Mapping[str, Any]]]] = {
    "server/discover": lambda _: {
        "supportedVersions": protocol.MODERN,
        "capabilities": {"tools": {}},
        "instructions": INSTRUCTIONS,
        **protocol.KEEP,
    },
    "ping": lambda _: {},
    "tools/list": lambda exchange: {
        "tools": [
            tool.shown(with_agent=not exchange.caller.is_known) for tool in TABLE
        ],
        **(protocol.KEEP if exchange.modern else {}),
    },
}
"""What is answered at once."""

ROUTES: Final = (
    Route(
        method="POST",
        path="/mcp",
        run=post,
        summary="The Model Context Protocol: what agents do, as tools",
        roles=OWN,
        shape=shapes.FRAME,
        door="mcp",
        also=(202,),
        counts_for="agent",
        tag="mcp",
    ),
)
