"""Settings in layers: flag, environment, project file, user file, default.

A table of settings is a frozen dataclass whose fields are made with `setting`; `load`
fills it and remembers where each value came from. `KitSettings` is the table of this
package, at the top level of the files; another package declares its own with a
``SECTION``, which is its ``[section]`` in the files::

    @dataclass(frozen=True)
    class HubSettings:
        SECTION: ClassVar[str] = "hub"
        port: int = setting(8765, "The port to listen on.", read=whole(0, 65535))

    loaded = load(HubSettings, flags={"port": None})
    loaded.values.port, loaded.sources["port"]

In the environment ``port`` is ``SWARMTUI_PORT``. A key that no table has is an error
which names the nearest one.
"""

from agentkit.readers import (
    file,
    hidden,
    masked,
    number,
    one_of,
    split_address,
    switch,
    text,
    web_address,
    whole,
    words,
)
from agentkit.settings.files import Paths, Storage, paths, private_folder, storage
from agentkit.settings.hubs import Discovered, Endpoint, discover, endpoint, same_hub
from agentkit.settings.tables import (
    DEFAULT_URL,
    SECTIONS,
    KitSettings,
    Loaded,
    Setting,
    Source,
    entries,
    load,
    setting,
)

__all__ = [
    "DEFAULT_URL",
    "SECTIONS",
    "Discovered",
    "Endpoint",
    "KitSettings",
    "Loaded",
    "Paths",
    "Setting",
    "Source",
    "Storage",
    "discover",
    "endpoint",
    "entries",
    "file",
    "hidden",
    "load",
    "masked",
    "number",
    "one_of",
    "paths",
    "private_folder",
    "same_hub",
    "setting",
    "split_address",
    "storage",
    "switch",
    "text",
    "web_address",
    "whole",
    "words",
]
