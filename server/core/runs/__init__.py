"""Runs: a machine of a plan in progress decides what comes next.

A wish (`asking`) opens a run, calls it off or lets it go on. What follows from that,
and from every task and run that is settled, is found by `follow_up`: a run enters a
stage (`stages`), begins and settles its items (`items`), and comes to an end (`ends`).
"""
