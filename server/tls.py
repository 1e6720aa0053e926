"""TLS: how the hub proves who it is, and whom it lets shake hands.

Certificate and key are tried out on each other before anybody connects, in memory: what
is missing, mixed up, or out of date is told at the start and not by every client.
"""

import re
import ssl
from pathlib import Path
from typing import Final

from server.errors import CannotServeError
from server.settings import Settings

CERTIFICATE: Final = re.compile(
    "-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)

REASONS: Final = {9: "is not valid yet", 10: "has expired"}
"""What OpenSSL's numbers say of a certificate's time (X509_V_ERR_CERT_…)."""


class Tls:
    """The certificate in force; `renew` puts another in its place."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        """Read the files.

        Raises:
            CannotServeError: one will not do; the text says which, why, what helps.
        """
        self._cert = cert
        self._key = key
        self.context = self._load()
        self.context.verify_mode = ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE
        if client_ca is not None:
            _trust(self.context, client_ca)

    @classmethod
    def of(cls, settings: Settings) -> "Tls | None":
        """Return what the settings ask for; None without TLS.

        Raises:
            CannotServeError: a file will not do.
        """
        if settings.tls_cert is None or settings.tls_key is None:
            return None
        return cls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)

    @property
    def certificate(self) -> str:
        """The certificate that is shown, in PEM."""
        return _certificates(self._cert)

    def renew(self) -> None:
        """Read certificate and key again, for connections from now on.

        Raises:
            CannotServeError: one will not do; the old ones stay in force.
        """
        self._load()
        self.context.load_cert_chain(self._cert, self._key, _no_password)

    def _load(self) -> ssl.SSLContext:
        """Return a context with certificate and key that has proved to work."""
        text = _certificates(self._cert)
        _read(self._key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._cert, self._key, _no_password)
            _try_out(context, text)
        except ssl.SSLCertVerificationError as error:
            reason = REASONS.get(error.verify_code, "does not do for a server")
            raise CannotServeError(
                f"the certificate in {self._cert} {reason} ({error.verify_message}): "
                "have it made anew"
            ) from None
        except (OSError, ValueError) as error:
            raise CannotServeError(self._why(error)) from None
        return context

    def _why(self, error: Exception) -> str:
        reason = error.reason if isinstance(error, ssl.SSLError) else ""
        if reason == "KEY_VALUES_MISMATCH":
            return (
                f"the key in {self._key} is not that of the certificate in "
                f"{self._cert}: give the two that belong together"
            )
        return (
            f"{self._cert} and {self._key} are not a certificate and its key in PEM, "
            "without a password: check both files"
        )


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace")
    except OSError as error:
        raise CannotServeError(
            f"{path} cannot be read ({(error.strerror or str(error)).lower()}): give a "
            "file in PEM that this user may read"
        ) from None


def _certificates(path: Path) -> str:
    """Return the certificates of a file, which may hold the key as well."""
    return "\n".join(CERTIFICATE.findall(_read(path)))


def _no_password() -> str:
    raise ValueError("the key wants a password")


def _trust(context: ssl.SSLContext, client_ca: Path) -> None:
    text = _read(client_ca)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise CannotServeError(
            f"{client_ca} holds no certificates in PEM: give those that signed the "
            "clients'"
        ) from None


def _try_out(server: ssl.SSLContext, certificate: str) -> None:
    """Shake hands in memory with a client that trusts just this certificate.

    Raises:
        ssl.SSLCertVerificationError: it is out of date, or not for servers.
        ssl.SSLError: the two cannot agree.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=certificate)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_side=False),
        server.wrap_bio(up, down, server_side=True),
    ]
    while ends:
        ends = [end for end in ends if not _is_done(end)]


def _is_done(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
