"""Alerts: what people are told away from the dashboard.

A subscriber of the hub (`desk`) turns facts into alerts (`facts`), a gate says when
they may go (`gate`, `quiet`), a book whom of the targets they are owed (`book`), and
each target gets them as a message (`message`, `plain`) in its own time (`post`,
`targets`), so that none delays another, or the hub.
"""
