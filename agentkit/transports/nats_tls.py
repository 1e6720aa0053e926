"""TLS to a NATS server, and whether it came to pass."""

import ssl
from typing import Any

from agentkit.transports.errors import TransportError
from agentkit.transports.nats_errors import said


class WatchedContext(ssl.SSLContext):
    """How to talk TLS, and whether that came to pass.

    A server says in the clear whether it wants TLS, and the client takes its word for
    it: whoever sits between the two could deny it and be told the password.
    """

    used = False

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin to talk TLS."""
        self.used = True
        return super().wrap_bio(*args, **options)


def tls_context(
    shown: str, ca_file: str, cert_file: str, key_file: str
) -> WatchedContext:
    """Return how to talk TLS to the server that is shown so.

    Raises:
        TransportError: a file cannot be read.
    """
    context = WatchedContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca_file:
            context.load_verify_locations(ca_file)
        else:
            context.load_default_certs()
        if cert_file:
            context.load_cert_chain(cert_file, key_file or None)
    except OSError as error:
        raise TransportError(
            f"the certificates for {shown} cannot be read ({said(error)}): check "
            "ca_file, cert_file and key_file"
        ) from None
    return context
