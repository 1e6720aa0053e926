"""Alerts: what people are told away from the dashboard.

A subscriber of the hub (`desk`) turns facts into alerts (`facts`), a gate says when
they may go (`gate`, `quiet`), they become a message (`message`, `plain`), and each
target gets it in its own time (`post`, `targets`), so that none delays another, or the
hub.
"""
