"""What each product tells of its sessions, and what that means: one table.

A product runs ``agentkit hook PRODUCT [EVENT]`` whenever something happens, with an
object of JSON on standard input. The table says which of its events are a moment that
the hub is told of, and where in the object the words for it are. Nothing is imported
here: the table is read whenever a hook runs.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal, TypeAlias

    Moment: TypeAlias = Literal[
        "start", "prompt", "tool", "ask", "fail", "turn", "rest", "interrupt", "end"
    ]
    Form: TypeAlias = Literal["", "specific", "plain", "snake"]

MOMENTS = {
    "start": "idle",
    "prompt": "busy",
    "tool": "busy",
    "ask": "help",
    "fail": "blocked",
    "turn": "idle",
    "rest": "idle",
    "interrupt": "idle",
    "end": "idle",
}
"""What an agent reports at each moment. A session starts; is given a prompt; has used a
tool; waits for a person; fails; ends a turn, and may be given more; ends one, and may
not; is interrupted; ends."""


class Event:
    """What one event means, if it is the case that `only` tells of.

    Args:
        moment: what it is.
        text: where the words for it are, the first that is there; a dot goes inside.
        only: a member of the payload, and the values with which the event counts; None
            is that the payload does not have it.
        never: the same, for values with which it does not.
        context: how what the hub has to say is given to the session with the answer;
            empty: not at all.
        faint: it says less than another event of the same moment, and comes later.
        later: it is of a session only if another event told of that before: products
            have conversations on the side as well.
        says: the words, when there are none in it.
        grows: the words are all since the prompt, those of earlier turns too.
        transcript: where it names the file in which the session is kept: Copilot's has
            the words, Claude Code's whether its user interrupted the turn before.
    """

    __slots__ = (
        "context",
        "faint",
        "grows",
        "later",
        "moment",
        "never",
        "only",
        "says",
        "text",
        "transcript",
    )

    def __init__(
        self,
        moment: "Moment",
        *text: str,
        only: tuple[str, tuple[str | None, ...]] | None = None,
        never: tuple[str, tuple[str, ...]] | None = None,
        context: "Form" = "",
        faint: bool = False,
        later: bool = False,
        says: str = "",
        grows: bool = False,
        transcript: str = "",
    ) -> None:
        self.moment = moment
        self.says = says
        self.grows = grows
        self.transcript = transcript
        self.text = text
        self.only = only
        self.never = never
        self.context = context
        self.faint = faint
        self.later = later

    def holds(self, payload: "Mapping[str, Any]") -> bool:
        """Say whether a payload is the case that this tells of."""
        wanted = self.only is None or pick(payload, self.only[0]) in self.only[1]
        return wanted and not (
            self.never is not None and pick(payload, self.never[0]) in self.never[1]
        )


class Product:
    """A product, its events, and how work is given to its sessions.

    Args:
        title: what it is called.
        events: what each of its events means; of several, the first that holds.
        event: where the payload names the event, unless the command line does.
        session: where the payload names the session, the first that is there.
        parent: where it names the session that started the one as a helper: what is
            told of the helper is told of that one.
        apart: a prompt comes only when no turn runs, and nothing else tells that one
            was interrupted.
        again: what the payload of a turn's end has when the turn is one that we gave.
        cap: how many turns in a row a session may be given; 0 is any number.
        cap_in: the environment's name for another cap; 0 there is any number.
        tools_reset: using a tool begins the count anew.
        more: the member of an answer that goes on with the session; empty: none does.
        project: the environment's name for the folder that the session is about.
        ring: how a waiting session is woken: ``exit`` by the end of a waiting hook with
            the text on standard error, ``codex`` by the product's own queue.
        script: what the environment says when a program runs the session, and not a
            person: it has to end, and its answer is that to the prompt.
    """

    __slots__ = (
        "again",
        "apart",
        "cap",
        "cap_in",
        "event",
        "events",
        "more",
        "parent",
        "project",
        "ring",
        "script",
        "session",
        "title",
        "tools_reset",
    )

    def __init__(
        self,
        title: str,
        events: "dict[str, tuple[Event, ...]]",
        *,
        event: str = "hook_event_name",
        session: tuple[str, ...] = ("session_id",),
        parent: str = "",
        apart: bool = False,
        again: str = "",
        cap: int = 0,
        cap_in: str = "",
        tools_reset: bool = False,
        more: str = "reason",
        project: str = "",
        ring: str = "",
        script: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.title = title
        self.events = events
        self.event = event
        self.session = session
        self.parent = parent
        self.apart = apart
        self.again = again
        self.cap = cap
        self.cap_in = cap_in
        self.tools_reset = tools_reset
        self.more = more
        self.project = project
        self.ring = ring
        self.script = script

    def is_script(self, environ: "Mapping[str, str]") -> bool:
        """Say whether a program runs the session, and not a person."""
        return any(environ.get(name) == value for name, value in self.script)


def pick(payload: "Mapping[str, Any]", place: str) -> "Any":
    """Return what is at a place in an object, however deep; None when nothing is."""
    found: Any = payload
    for name in place.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


_COMPACTED = ("source", ("compact",))
"""A session that made room in the middle of a turn has not started."""

_DIALOGS = (
    "permission_prompt",
    "elicitation_dialog",
    "elicitation_url_dialog",
    "agent_needs_input",
)

_MAIN = ("parentAgentId", (None,))
"""A session's own, and not of a helper that it has started."""

CURSOR_LOOPS = 20
"""How many turns in a row Cursor is told to allow us."""

PRODUCTS = {
    "claude": Product(
        "Claude Code",
        {
            "SessionStart": (Event("start", never=_COMPACTED, context="specific"),),
            "UserPromptSubmit": (
                Event(
                    "prompt",
                    "prompt",
                    context="specific",
                    transcript="transcript_path",
                ),
            ),
            "PostToolUse": (Event("tool"),),
            "PostToolUseFailure": (Event("tool"),),
            "PermissionRequest": (Event("ask", "tool_name"),),
            "Notification": (
                Event(
                    "ask",
                    "message",
                    only=("notification_type", _DIALOGS),
                    faint=True,
                ),
            ),
            "Stop": (Event("turn", "last_assistant_message"),),
            "StopFailure": (Event("fail", "error_details", "error"),),
            "SessionEnd": (Event("end", "reason"),),
        },
        again="stop_hook_active",
        cap=8,
        cap_in="CLAUDE_CODE_STOP_HOOK_BLOCK_CAP",
        tools_reset=True,
        project="CLAUDE_PROJECT_DIR",
        ring="exit",
        script=(
            ("CLAUDE_CODE_SESSION_ATTENDED", "0"),
            ("CLAUDE_CODE_ENTRYPOINT", "sdk-cli"),
        ),
    ),
    "codex": Product(
        "Codex CLI",
        {
            "SessionStart": (Event("start", never=_COMPACTED, context="specific"),),
            "UserPromptSubmit": (Event("prompt", "prompt", context="specific"),),
            "PostToolUse": (Event("tool"),),
            "PermissionRequest": (Event("ask", "tool_name"),),
            "Stop": (Event("turn", "last_assistant_message"),),
            "Interrupt": (Event("interrupt"),),
            "SessionEnd": (Event("end", "reason"),),
            "agent-turn-complete": (Event("rest", later=True),),
        },
        session=("session_id", "thread-id"),
        again="stop_hook_active",
        ring="codex",
    ),
    "gemini": Product(
        "Gemini CLI",
        {
            "SessionStart": (Event("start", never=_COMPACTED, context="specific"),),
            "BeforeAgent": (Event("prompt", "prompt", context="specific"),),
            "AfterTool": (Event("tool"),),
            "Notification": (
                Event(
                    "ask", "message", only=("notification_type", ("ToolPermission",))
                ),
            ),
            "AfterAgent": (Event("turn", "prompt_response", grows=True),),
            "SessionEnd": (Event("end", "reason"),),
        },
        again="stop_hook_active",
        project="GEMINI_PROJECT_DIR",
    ),
    "copilot": Product(
        "Copilot CLI",
        {
            "sessionStart": (
                Event("start", only=("initialPrompt", (None, "")), context="plain"),
                Event("prompt", "initialPrompt", context="plain"),
            ),
            "userPromptSubmitted": (Event("prompt", "prompt", only=_MAIN),),
            "postToolUse": (Event("tool", later=True),),
            "notification": (
                Event("ask", "message", only=("notification_type", _DIALOGS)),
            ),
            "errorOccurred": (Event("fail", "error.message", "error", only=_MAIN),),
            "agentStop": (Event("turn", only=_MAIN, transcript="transcriptPath"),),
            "sessionEnd": (Event("end", "reason", later=True),),
        },
        session=("sessionId", "session_id"),
        parent="parentAgentId",
        again="stop_hook_active",
        cap=8,
    ),
    "opencode": Product(
        "opencode",
        {
            "session.created": (Event("start"),),
            "chat.message": (Event("prompt", "prompt"),),
            "tool.execute.after": (Event("tool"),),
            "permission.asked": (Event("ask", "permission", "title"),),
            "permission.replied": (Event("tool"),),
            "question.asked": (Event("ask", "question"),),
            "question.replied": (Event("tool"),),
            "session.error": (
                Event("interrupt", only=("error.name", ("MessageAbortedError",))),
                Event("fail", "error.data.message", "error.name"),
            ),
            "session.idle": (Event("turn", "last_assistant_message"),),
            "session.rest": (Event("rest"),),
            "session.deleted": (Event("end"),),
            "dispose": (Event("end"),),
        },
        session=("sessionID", "info.id"),
        ring="exit",
    ),
    "goose": Product(
        "Goose",
        {
            "SessionStart": (Event("start"),),
            "UserPromptSubmit": (Event("prompt", "message"),),
            "PostToolUse": (Event("tool"),),
            "PostToolUseFailure": (Event("tool"),),
            "Stop": (
                Event("fail", only=("last_assistant_message", (None,))),
                Event("turn", "last_assistant_message"),
            ),
            "SessionEnd": (Event("end"),),
        },
        event="event",
        apart=True,
        cap=8,
        cap_in="GOOSE_STOP_HOOK_BLOCK_CAP",
    ),
    "cursor": Product(
        "Cursor",
        {
            "sessionStart": (Event("start", context="snake"),),
            "beforeSubmitPrompt": (Event("prompt", "prompt"),),
            "postToolUse": (Event("tool"),),
            "stop": (
                Event("interrupt", only=("status", ("aborted",))),
                Event("fail", "error_message", "status", only=("status", ("error",))),
                Event("turn"),
            ),
            "sessionEnd": (Event("end", "reason"),),
        },
        session=("conversation_id", "session_id"),
        again="loop_count",
        cap=CURSOR_LOOPS,
        more="followup_message",
    ),
    "tmux": Product(
        "tmux",
        {
            "alert-activity": (Event("tool"),),
            "alert-silence": (Event("rest"),),
            "alert-bell": (Event("ask", says="it rang the bell"),),
            "pane-died": (Event("end"),),
            "pane-failed": (Event("fail", says="its command failed"),),
        },
        session=("window",),
        more="",
    ),
}
"""The products, by the word that the command line has for them."""
