"""The Agent Client Protocol, version 1."""

from typing import Any

from tests.integration.programs.acting import Actor, Cancelled

OPTIONS = (
    ("always", "Always allow", "allow_always"),
    ("once", "Allow once", "allow_once"),
    ("no", "Reject", "reject_once"),
)


class Acp(Actor):
    """One process; each session is a conversation."""

    session = ""
    asked: dict[str, Any]

    def run(self) -> None:
        while True:
            message = self.hear()
            assert message["jsonrpc"] == "2.0"
            match message.get("method"):
                case "initialize":
                    assert message["params"]["protocolVersion"] == 1
                    itself = {"name": "goose", "version": "1.52.0"}
                    self.answer(message, {"protocolVersion": 1, "agentInfo": itself})
                case "session/new":
                    self.session, self.prompts = f"{self.session}s", 0
                    assert message["params"]["mcpServers"] == []
                    self.answer(message, {"sessionId": self.session})
                case "session/prompt":
                    assert message["params"]["sessionId"] == self.session
                    self.asked = message
                    self.act(message["params"]["prompt"][0]["text"])

    def answer(self, message: dict[str, Any], result: dict[str, Any]) -> None:
        self.put({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def update(self, kind: str, **fields: Any) -> None:
        params = {
            "sessionId": self.session,
            "update": {"sessionUpdate": kind, **fields},
        }
        self.put({"jsonrpc": "2.0", "method": "session/update", "params": params})

    def uses(self, command: str) -> None:
        content = {"type": "text", "text": "Let me see. "}
        self.update("agent_message_chunk", content=content)
        self.update("tool_call", toolCallId="c1", title=command, status="pending")

    def plans(self, done: int, steps: int) -> None:
        states = ["completed"] * done + ["in_progress"]
        states += ["pending"] * (steps - len(states))
        named = enumerate(states, 1)
        entries = [{"content": f"stepping {n}", "status": state} for n, state in named]
        self.update("plan", entries=entries)

    def asks(self, command: str) -> str:
        self.uses(command)
        call = {"toolCallId": "c1", "title": command, "rawInput": {"command": command}}
        options = [
            {"optionId": key, "name": name, "kind": kind} for key, name, kind in OPTIONS
        ]
        params = {"sessionId": self.session, "toolCall": call, "options": options}
        wish = {"id": 0, "method": "session/request_permission", "params": params}
        self.put({"jsonrpc": "2.0", **wish})
        while "result" not in (message := self.hear()):
            self.interrupt(message)
        outcome = message["result"]["outcome"]
        return "yes" if outcome.get("optionId") == "once" else str(outcome)

    def interrupt(self, message: dict[str, Any]) -> None:
        if message.get("method") == "session/cancel":
            assert message["params"] == {"sessionId": self.session}
            raise Cancelled

    def attends(self) -> None:
        while True:
            self.interrupt(self.hear())

    def ends(self, text: str, error: str = "") -> None:
        self.update(
            "usage_update", used=1, size=9, cost={"amount": 0.25, "currency": "USD"}
        )
        if error == "interrupted":
            self.answer(self.asked, {"stopReason": "cancelled"})
        elif error:
            wrong = {
                "code": -32603,
                "message": "Internal error",
                "data": {"details": error},
            }
            self.put({"jsonrpc": "2.0", "id": self.asked["id"], "error": wrong})
        else:
            for part in (text[: len(text) // 2], text[len(text) // 2 :]):
                content = {"type": "text", "text": part}
                self.update("agent_message_chunk", content=content)
            used = {"inputTokens": 100, "outputTokens": 7, "totalTokens": 107}
            self.answer(self.asked, {"stopReason": "end_turn", "usage": used})


if __name__ == "__main__":
    Acp().run()
