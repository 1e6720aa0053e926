"""The demo: a real hub, and real agents that follow a script.

`cast` holds the names and the texts, `script` says who does what and when, `play` lets
the agents do it in a process of their own, `stage` starts and ends the processes, and
`told` writes down what happens where there is no terminal to show it on.
"""
