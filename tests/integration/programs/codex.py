"""Codex' app-server, as it is spoken by 0.169."""

from typing import Any

from tests.integration.programs.acting import Actor, Cancelled


class Codex(Actor):
    """One process; each thread is a conversation."""

    thread = ""
    tokens = 0

    def run(self) -> None:
        while True:
            message = self.hear()
            match message.get("method"):
                case "initialize":
                    assert message["params"]["clientInfo"]["name"] == "agentkit"
                    self.answer(message, {"userAgent": "codex/0.169.0"})
                case "thread/start":
                    self.begin(message)
                case "turn/start":
                    assert message["params"]["threadId"] == self.thread
                    self.answer(message, {"turn": self.turn("inProgress")})
                    self.act(message["params"]["input"][0]["text"])

    def answer(self, message: dict[str, Any], result: dict[str, Any]) -> None:
        assert "jsonrpc" not in message
        self.put({"id": message["id"], "result": result})

    def tell(self, method: str, **params: Any) -> None:
        said = {"threadId": self.thread, "turnId": "turn-1", **params}
        self.put({"method": method, "params": said})

    def begin(self, message: dict[str, Any]) -> None:
        self.thread, self.prompts, self.tokens = f"{self.thread}t", 0, 0
        self.answer(message, {"thread": {"id": self.thread}})
        self.tell("thread/started", thread={"id": self.thread})

    @staticmethod
    def turn(status: str, error: str = "") -> dict[str, Any]:
        told = {"message": error, "codexErrorInfo": None} if error else None
        return {"id": "turn-1", "items": [], "status": status, "error": told}

    def uses(self, command: str) -> None:
        item = {"type": "commandExecution", "id": "i1", "command": command}
        self.tell("item/started", item={**item, "status": "inProgress"})

    def plans(self, done: int, steps: int) -> None:
        states = ["completed"] * done + ["inProgress"]
        states += ["pending"] * (steps - len(states))
        named = enumerate(states, 1)
        plan = [{"step": f"stepping {n}", "status": state} for n, state in named]
        self.tell("turn/plan/updated", plan=plan)

    def asks(self, command: str) -> str:
        self.uses(command)
        about = {"threadId": self.thread, "turnId": "turn-1", "itemId": "i1"}
        asked = {**about, "startedAtMs": 1, "command": command, "reason": None}
        method = "item/commandExecution/requestApproval"
        self.put({"id": 0, "method": method, "params": asked})
        while (message := self.hear()).get("id") != 0:
            self.interrupt(message)
        self.tell("serverRequest/resolved", requestId=0)
        decision = message["result"]["decision"]
        return "yes" if decision == "accept" else str(decision)

    def interrupt(self, message: dict[str, Any]) -> None:
        assert message["method"] == "turn/interrupt", message
        assert message["params"] == {"threadId": self.thread, "turnId": "turn-1"}
        self.answer(message, {})
        raise Cancelled

    def attends(self) -> None:
        while True:
            self.interrupt(self.hear())

    def ends(self, text: str, error: str = "") -> None:
        self.tokens += 1
        used = {"inputTokens": 100 * self.tokens, "outputTokens": 7 * self.tokens}
        self.tell("thread/tokenUsage/updated", tokenUsage={"total": used})
        if text:
            item = {"type": "agentMessage", "id": "i2", "text": text}
            self.tell("item/completed", item=item)
        if error == "interrupted":
            turn = self.turn("interrupted")
        else:
            turn = self.turn("failed" if error else "completed", error)
        self.tell("turn/completed", turn=turn)


if __name__ == "__main__":
    Codex().run()
