"""Where the hub writes down what it decided: the interface and its two stores."""

from server.store.base import KEEP_SETTLED, Store, StoreError, Write
from server.store.memory import MemoryStore
from server.store.sqlite import SQLiteStore

__all__ = [
    "KEEP_SETTLED",
    "MemoryStore",
    "SQLiteStore",
    "Store",
    "StoreError",
    "Write",
]
