"""The hub as a server of the Model Context Protocol, at ``POST /mcp``.

For agents that speak MCP: what they report, claim and ask are tools. `protocol` has the
words of both eras, `tools` what can be called, `edge` the HTTP around it.
"""
