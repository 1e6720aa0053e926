"""Agents that speak A2A (protocol 1.0 and 0.3): their words, their cards, their work.

`words` reads what they tell of a task, `cards` what they are, `peer` asks one,
`carrier` carries the hub's work to one and back, `book` remembers which were added.
"""
