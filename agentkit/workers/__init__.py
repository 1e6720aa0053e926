"""``agentkit worker``: headless programs that work for the hub, a task at a time.

A `Driver` knows one way to talk to a program; `serve` claims tasks and has it do them.

| module | is |
| --- | --- |
| `driver` | what a driver is, and what it tells |
| `program`, `rpc` | a child that speaks lines of JSON; requests over those |
| `claude`, `codex`, `acp` | the drivers |
| `serving`, `turns` | one task after the other; one of them |
| `permissions` | what a program asks for, put to a person |
"""
