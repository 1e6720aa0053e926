"""Agents that people already run: their hooks report to the hub and take its work.

`events` is the table of what each product tells and what it means; the rest walks it.
`hook` is where ``agentkit hook`` starts. It runs inside other people's agents, again
and again: nothing on its usual way imports more than the socket it writes to.
"""
