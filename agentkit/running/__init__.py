"""What ``agentkit run`` is made of: a command in a terminal, and what it shows there.

`stream` finds what a program says to its terminal, `titles` knows what titles mean,
`mood` makes a state of it all, `tail` keeps the last line, `terminal` runs the command
and copies bytes, `leader` stands between us and it, `telling` talks to the hub. All but
the last three are without I/O; the time is an argument.
"""
