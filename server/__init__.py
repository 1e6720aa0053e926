"""The hub: a pure core, a pump, stores, and an HTTP and WebSocket edge."""
