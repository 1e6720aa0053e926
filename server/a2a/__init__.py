"""Agents that speak A2A and tell by push notifications how their tasks go."""
