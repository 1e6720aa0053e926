"""The four ways in which products ask a model, and how each is answered."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol


class Turn(NamedTuple):
    """A turn of a conversation."""

    who: Literal["user", "model", "tool"]
    text: str


class Call(NamedTuple):
    """A reply that calls a tool."""

    tool: str
    arguments: dict[str, Any]


class Failure(NamedTuple):
    """What there is instead of a reply."""

    status: int
    reason: str


Reply = str | Call


class Asked(NamedTuple):
    """A request."""

    turns: tuple[Turn, ...]
    tools: tuple[str, ...]
    stream: bool

    def has(self, phrase: str, who: str = "user") -> bool:
        """Say whether somebody said this."""
        return any(phrase in turn.text for turn in self.turns if turn.who == who)


class Dialect(Protocol):
    """A way to ask a model."""

    def read(self, body: dict[str, Any], path: str) -> Asked:
        """Return what is asked."""

    def write(self, reply: Reply, asked: Asked) -> tuple[str, bytes]:
        """Return the answer: its content type, and its body."""


def text_of(content: Any) -> str:
    """Return the text in a message's content, which is a string or has parts.

    The outcome of a tool is a part with a content of its own.
    """
    if isinstance(content, str):
        return content
    parts = [part for part in content or () if isinstance(part, dict)]
    return "\n".join(
        str(part["text"]) if "text" in part else text_of(part["content"])
        for part in parts
        if "text" in part or "content" in part
    )


def streamed(events: list[dict[str, Any]], end: str = "") -> tuple[str, bytes]:
    """Return events as server-sent ones, named by their type if they have one."""
    lines = []
    for event in events:
        name = event.get("type")
        lines.append(f"event: {name}\n" if name else "")
        lines.append(f"data: {json.dumps(event)}\n\n")
    return "text/event-stream", ("".join(lines) + end).encode()


def whole(answer: dict[str, Any]) -> tuple[str, bytes]:
    """Return an answer in one piece."""
    return "application/json", json.dumps(answer).encode()


def kinds(content: Any) -> set[str]:
    """Return the types of the parts of a message's content."""
    parts = content if isinstance(content, list) else []
    return {str(part.get("type")) for part in parts if isinstance(part, dict)}


class Messages:
    """Anthropic's ``/v1/messages``."""

    USAGE: ClassVar = {
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }

    def read(self, body: dict[str, Any], path: str) -> Asked:
        turns = tuple(
            Turn(self._who(message), text_of(message.get("content")))
            for message in body.get("messages", ())
        )
        tools = tuple(str(tool.get("name")) for tool in body.get("tools", ()))
        return Asked(turns, tools, bool(body.get("stream")))

    def _who(self, message: Mapping[str, Any]) -> Literal["user", "model", "tool"]:
        if message.get("role") == "assistant":
            return "model"
        return "tool" if "tool_result" in kinds(message.get("content")) else "user"

    def write(self, reply: Reply, asked: Asked) -> tuple[str, bytes]:
        why = "tool_use" if isinstance(reply, Call) else "end_turn"
        message: dict[str, Any] = {
            "id": f"msg_{id(asked):x}",
            "type": "message",
            "role": "assistant",
            "model": "fake",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self.USAGE,
        }
        if not asked.stream:
            block = self._block(reply, str(reply))
            return whole({**message, "content": [block], "stop_reason": why})
        stop = {"stop_reason": why, "stop_sequence": None}
        return streamed(
            [
                {"type": "message_start", "message": message},
                {
                    "type": "content_block_start",
                    "index": 0,
                    "content_block": self._block(reply, ""),
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": self._delta(reply),
                },
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": stop, "usage": self.USAGE},
                {"type": "message_stop"},
            ]
        )

    def _block(self, reply: Reply, text: str) -> dict[str, Any]:
        if isinstance(reply, str):
            return {"type": "text", "text": text}
        key = f"toolu_{id(reply):x}"
        return {"type": "tool_use", "id": key, "name": reply.tool, "input": {}}

    def _delta(self, reply: Reply) -> dict[str, Any]:
        if isinstance(reply, str):
            return {"type": "text_delta", "text": reply}
        said = json.dumps(reply.arguments)
        return {"type": "input_json_delta", "partial_json": said}


class Responses:
    """OpenAI's ``/v1/responses``."""

    USAGE: ClassVar = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 120,
    }

    def read(self, body: dict[str, Any], path: str) -> Asked:
        turns = tuple(filter(None, map(self._turn, body.get("input", ()))))
        return Asked(turns, tuple(self._tools(body.get("tools", ()))), stream=True)

    def _turn(self, item: Mapping[str, Any]) -> Turn | None:
        kind = item.get("type")
        if kind == "function_call":
            return Turn("model", "")
        if kind == "function_call_output":
            return Turn("tool", str(item.get("output")))
        if kind != "message":
            return None
        who: Literal["user", "model"]
        who = "model" if item.get("role") == "assistant" else "user"  # or developer
        return Turn(who, text_of(item.get("content")))

    def _tools(self, tools: Any) -> Iterator[str]:
        """Return the names of tools; those of a namespace have it before them."""
        for tool in tools:
            name = str(tool.get("name") or tool.get("type"))
            inner = tool.get("tools")
            if inner:
                yield from (f"{name}/{part.get('name')}" for part in inner)
            else:
                yield name

    def write(self, reply: Reply, asked: Asked) -> tuple[str, bytes]:
        key, item = f"resp_{id(asked):x}", self._item(reply)
        done = {"id": key, "usage": self.USAGE, "output": [item]}
        added = {"output_index": 0, "item": item}
        return streamed(
            [
                {"type": "response.created", "response": {"id": key}},
                {"type": "response.output_item.done", **added},
                {"type": "response.completed", "response": done},
            ]
        )

    def _item(self, reply: Reply) -> dict[str, Any]:
        if isinstance(reply, str):
            said = {"type": "output_text", "text": reply, "annotations": []}
            return {"type": "message", "role": "assistant", "content": [said]}
        space, _, name = reply.tool.rpartition("/")
        return {
            "type": "function_call",
            "name": name,
            **({"namespace": space} if space else {}),
            "call_id": f"call_{id(reply):x}",
            "arguments": json.dumps(reply.arguments),
        }


class Chat:
    """OpenAI's ``/v1/chat/completions``."""

    USAGE: ClassVar = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
    }

    def read(self, body: dict[str, Any], path: str) -> Asked:
        names: dict[str, Literal["user", "model", "tool"]]
        names = {"assistant": "model", "user": "user"}
        turns = tuple(
            Turn(
                names.get(message.get("role"), "tool"), text_of(message.get("content"))
            )
            for message in body.get("messages", ())
        )
        tools = tuple(str(tool["function"]["name"]) for tool in body.get("tools") or ())
        return Asked(turns, tools, bool(body.get("stream")))

    def write(self, reply: Reply, asked: Asked) -> tuple[str, bytes]:
        said, why = self._said(reply)
        about = {"id": "chat-1", "created": 0, "model": "fake"}
        if not asked.stream:
            choice = {"index": 0, "message": said, "finish_reason": why}
            return whole({**about, "object": "chat.completion", "choices": [choice]})
        about["object"] = "chat.completion.chunk"
        first = {"index": 0, "delta": said, "finish_reason": None}
        last = {"index": 0, "delta": {}, "finish_reason": why}
        return streamed(
            [
                {**about, "choices": [first]},
                {**about, "choices": [last], "usage": self.USAGE},
            ],
            "data: [DONE]\n\n",
        )

    def _said(self, reply: Reply) -> tuple[dict[str, Any], str]:
        if isinstance(reply, str):
            return {"role": "assistant", "content": reply}, "stop"
        function = {"name": reply.tool, "arguments": json.dumps(reply.arguments)}
        call = {
            "index": 0,
            "id": f"call_{id(reply):x}",
            "type": "function",
            "function": function,
        }
        said = {"role": "assistant", "content": None, "tool_calls": [call]}
        return said, "tool_calls"


class Gemini:
    """Google's ``:generateContent`` and ``:streamGenerateContent``."""

    USAGE: ClassVar = {
        "promptTokenCount": 100,
        "candidatesTokenCount": 20,
        "totalTokenCount": 120,
    }

    def read(self, body: dict[str, Any], path: str) -> Asked:
        turns = tuple(
            Turn(self._who(content), text_of(content.get("parts")))
            for content in body.get("contents", ())
        )
        tools = tuple(
            str(tool["name"])
            for group in body.get("tools", ())
            for tool in group.get("functionDeclarations", ())
        )
        return Asked(turns, tools, "stream" in path)

    def _who(self, content: Mapping[str, Any]) -> Literal["user", "model", "tool"]:
        if content.get("role") == "model":
            return "model"
        parts = content.get("parts", ())
        return "tool" if any("functionResponse" in part for part in parts) else "user"

    def write(self, reply: Reply, asked: Asked) -> tuple[str, bytes]:
        part: dict[str, Any] = {"text": reply}
        if isinstance(reply, Call):
            part = {"functionCall": {"name": reply.tool, "args": reply.arguments}}
        content = {"role": "model", "parts": [part]}
        candidate = {"content": content, "finishReason": "STOP", "index": 0}
        answer = {"candidates": [candidate], "usageMetadata": self.USAGE}
        return streamed([answer]) if asked.stream else whole(answer)


DIALECTS: dict[str, Dialect] = {
    "/messages": Messages(),
    "/responses": Responses(),
    "/chat/completions": Chat(),
    ":generateContent": Gemini(),
    ":streamGenerateContent": Gemini(),
}
"""Each by the end of its address."""
