"""What the words of ``swarmtui`` do, one module per concern.

`swarmtui.cli` imports a module of these when its word is said, and not before.
"""
