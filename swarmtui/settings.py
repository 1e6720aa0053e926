"""The settings of the hub, as they stand in flags, variables and files.

`HubSettings` only collects: what a value may be is for the hub to say, which checks
every one of them when it starts (`server.settings`).
"""

from collections.abc import Mapping
from dataclasses import make_dataclass
from typing import Any

from agentkit.settings import load, setting, switch, words

HUB: Mapping[str, tuple[str, str]] = {
    "host": ("ADDRESS", "The address to listen on [127.0.0.1]."),
    "port": ("N", "The port to listen on; 0 lets the system choose [8765]."),
    "data_dir": ("FOLDER", "Where the store, the token and the secret are kept."),
    "store": ("KIND", "sqlite, or memory, which forgets [sqlite]."),
    "auth": ("MODE", "token, or off: everybody on this machine may do all [token]."),
    "token_file": ("FILE", "Holds the operator's token; else one is made."),
    "seed_api": (
        "MODE",
        "The webhook endpoints: open, token or off [open on loopback].",
    ),
    "tls_cert": ("FILE", "The certificate to serve with, in PEM."),
    "tls_key": ("FILE", "Its key."),
    "insecure": ("", "Allow an address that others can reach, without TLS."),
    "allowed_hosts": ("NAMES", "More names the hub answers to, with commas between."),
    "allowed_origins": ("URLS", "Web pages that may talk to the hub."),
    "max_connections": ("N", "How many WebSockets may be open at once [20000]."),
    "agent_rate": ("N", "Reports a second that one agent may send for long [200]."),
    "agent_burst": ("N", "Reports that one agent may send at once [1000]."),
    "ping_interval": ("SECONDS", "Between two pings of a WebSocket [20]."),
    "escalate_after": ("SECONDS", "How long an agent may stay blocked [1800]."),
    "lease": ("SECONDS", "How long an agent's WebSocket may stay away [300]."),
    "grace": ("SECONDS", "How much longer before the agent is lost [30]."),
    "embedded": ("", "End when standard input ends."),
    "log_level": ("LEVEL", "debug, info, warning or error [info]."),
}
"""Every setting of the hub: what stands for its value in the help, and what it does.
One without a stand-in is a switch."""

_READERS = {"insecure": switch, "embedded": switch, "allowed_hosts": words}
_READERS |= {"allowed_origins": words}


def _as_given(raw: Any) -> Any:
    return raw


HubSettings = make_dataclass(
    "HubSettings",
    [
        (name, Any, setting(None, about, read=_READERS.get(name, _as_given)))
        for name, (_, about) in HUB.items()
    ],
    namespace={"SECTION": "hub", "__module__": __name__},
    frozen=True,
)
"""The table of the hub's settings; None where nobody said anything."""


def hub_values(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that somebody gave for the hub, wherever they did.

    Raises:
        Invalid: a file cannot be read, or has a key that there is not.
    """
    values: Any = load(HubSettings, flags=flags).values
    given = {name: getattr(values, name) for name in HUB}
    return {name: value for name, value in given.items() if value is not None}
