"""Claude Code's stream-json, as it is spoken by 2.1."""

from typing import Any

from tests.integration.programs.acting import Actor, Cancelled


class Claude(Actor):
    """One conversation."""

    cost = 0.0

    def run(self) -> None:
        while True:
            message = self.hear()
            match message["type"]:
                case "control_request":
                    self.control(message)
                case "user":
                    self.put({"type": "system", "subtype": "init", "session_id": "s1"})
                    self.act(message["message"]["content"])

    def control(self, message: dict[str, Any]) -> None:
        wish = message["request"]["subtype"]
        assert wish in ("initialize", "interrupt"), wish
        said = {"subtype": "success", "request_id": message["request_id"]}
        response = {**said, "response": {"commands": []}}
        self.put({"type": "control_response", "response": response})
        if wish == "interrupt":
            raise Cancelled

    def assistant(self, *parts: dict[str, Any]) -> None:
        said = {"role": "assistant", "content": list(parts)}
        self.put({"type": "assistant", "message": said, "parent_tool_use_id": None})

    def tool(self, name: str, given: dict[str, Any]) -> None:
        use = {"type": "tool_use", "id": "toolu_1", "name": name, "input": given}
        self.assistant({"type": "text", "text": "Let me see."}, use)

    def uses(self, command: str) -> None:
        self.tool("Bash", {"command": command, "description": "a test"})

    def plans(self, done: int, steps: int) -> None:
        states = ["completed"] * done + ["in_progress"]
        states += ["pending"] * (steps - len(states))
        todos = [
            {"content": f"step {n}", "activeForm": f"stepping {n}", "status": state}
            for n, state in enumerate(states, 1)
        ]
        self.tool("TodoWrite", {"todos": todos})

    def asks(self, command: str) -> str:
        given = {"command": command}
        self.tool("Bash", given)
        wish = {"subtype": "can_use_tool", "tool_name": "Bash", "input": given}
        request = {**wish, "permission_suggestions": [], "tool_use_id": "toolu_1"}
        self.put({"type": "control_request", "request_id": "r1", "request": request})
        while (message := self.hear())["type"] != "control_response":
            self.control(message)
        assert message["response"]["request_id"] == "r1"
        verdict = message["response"]["response"]
        if verdict["behavior"] == "allow":
            assert verdict["updatedInput"] == given
            return "yes"
        return str(verdict["message"])

    def attends(self) -> None:
        while True:
            self.control(self.hear())

    def ends(self, text: str, error: str = "") -> None:
        self.cost += 0.25
        cut_short = error == "interrupted"
        if not cut_short:
            self.assistant({"type": "text", "text": text or error})
        self.put(
            {
                "type": "result",
                "subtype": "error_during_execution" if cut_short else "success",
                "is_error": bool(error),
                "result": text or error,
                "total_cost_usd": self.cost,
                "num_turns": 1,
                "session_id": "s1",
                "usage": {
                    "input_tokens": 10,
                    "cache_read_input_tokens": 90,
                    "output_tokens": 7,
                },
            }
        )


if __name__ == "__main__":
    Claude().run()
