"""Telemetry in: what agents cost and use, told in OTLP over HTTP with JSON.

`products` is the table of what counts, `reading` finds it in an export, `ledger` says
what is new in it, `sessions` finds the agent, `telemetry` has it counted, and keeps
for a while what is of agents that the hub does not know yet, `edge` is the HTTP of it.
"""
