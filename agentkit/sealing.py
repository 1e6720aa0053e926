"""Seals what lies on disk: AES-256-GCM, text by text, under keys of a master key.

    connection = sqlite3.connect(path, isolation_level=None)
    sealer = Sealer.of(connection, master_key(text, file), where=path)
    sealed = sealer.seal('{"task": "T1"}', "outbox:7")
    text = sealer.unseal(sealed, "outbox:7")

Sealed text is ``#`` and base64 of key id (4 bytes), nonce (12 random bytes), ciphertext
and tag. JSON never begins with ``#``, so sealed and plain values tell themselves apart
and may stand in one file: one that is given a key begins to seal what is written from
then on. The *place* of a text, its table and key, is authenticated with it: it cannot
be unsealed anywhere else.

A file has its own keys, made from the master key and a salt by HKDF-SHA256 (RFC 5869).
Its table ``keys`` has the salt of each and a sealed word that only the right key opens,
so a wrong one is refused before anything is read or written. Whoever steals the file
sees ids, states, times and sizes, and no text; one who can write to it can still take
rows away, or put back old ones. Nonces are random: give a file another key before it
has sealed 2^32 texts.

A text that is a file by itself has no table beside it: `seal_alone` gives it a key of
its own, whose salt it carries in front, ``#`` and base64.

`cryptography` is imported when there is a key, never before.
"""

import os
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agentkit.errors import AgentkitError, Invalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, word TEXT NOT NULL
) STRICT;
"""
"""Where a file keeps the salts of its keys; `Sealer.of` makes it when it is missing."""

SHORTEST: Final = 16
"""How many characters a master key has at least."""

_INFO: Final = b"swarmtui storage"
_WORD: Final = "swarmtui"
_ID: Final = 4
_NONCE: Final = 12
_SALT: Final = 16
_MARK: Final = 6
"""``#`` and so much of the base64 as is the key id alone."""

OVERHEAD: Final = _ID + _NONCE + 16
"""How many bytes sealed data is longer than what was sealed."""


class WrongKey(AgentkitError):
    """The master key does not fit the file, or there is none; nothing was written."""

    code = "wrong_key"


class Forged(AgentkitError):
    """What is sealed was changed, or copied from another place."""

    code = "forged"


def master_key(
    text: str, file: Path | None = None, name: str = "storage_master_key"
) -> str:
    """Return the master key that the settings give: the text, else what the file has.

    Any text will do that is long enough and hard to guess; blanks around it do not
    count. Empty when neither is set.

    Raises:
        Invalid: it is too short, or the file cannot be read. The key is not shown.
    """
    key = text.strip()
    if not key and file is not None:
        try:
            key = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise Invalid(
                f"the {name} in {file} cannot be read ({why}): let your user read it, "
                "or name another file"
            ) from None
        if not key:
            raise Invalid(f"the {name} in {file} is empty: {_MAKE} > {file}")
    if key and len(key) < SHORTEST:
        raise Invalid(
            f"the {name} has {len(key)} characters, which is fewer than {SHORTEST}: "
            f"make one with {_MAKE}"
        )
    return key


_MAKE = "openssl rand -base64 32"


@dataclass(frozen=True, slots=True)
class _Key:
    id: bytes
    cipher: "AESGCM"

    @property
    def mark(self) -> str:
        """What every text that it sealed begins with."""
        return "#" + b64encode(self.id).decode()[: _MARK - 1]


class Sealer:
    """Seals and unseals the texts of one file; any thread may use it.

    Without a key it leaves every text as it is.
    """

    __slots__ = ("_current", "_keys", "_where")

    def __init__(
        self, where: object, current: _Key | None, keys: Mapping[bytes, _Key]
    ) -> None:
        self._where = where
        self._current = current
        self._keys = keys

    @classmethod
    def of(
        cls,
        connection: sqlite3.Connection,
        master: str = "",
        previous: str = "",
        *,
        where: object,
    ) -> "Sealer":
        """Return what seals the file behind `connection`.

        New texts are sealed with `master`; those that are sealed with `previous` can
        still be read. A file that does not know `master` yet learns it here: in the
        transaction of the caller, else at once.

        Args:
            connection: the file, open for writing.
            master: the master key (see `master_key`); empty seals nothing.
            previous: the one that was used before, while `rekey` has not run.
            where: how errors name the file.

        Raises:
            WrongKey: the file was sealed with a key that is neither of the two, or the
                package that seals is not installed.
        """
        connection.execute(SCHEMA)
        known = connection.execute("SELECT id, salt, word FROM keys").fetchall()
        if not master:
            if known:
                raise WrongKey(
                    f"{where} is sealed and there is no key: set storage_master_key, "
                    "or storage_master_key_file, to the key that it was sealed with"
                )
            return cls(where, None, {})
        opened = {
            name: _opened(word, salt, master, previous) for name, salt, word in known
        }
        current = next((key for key, mine in opened.values() if key and mine), None)
        keys: dict[bytes, _Key] = {}
        for name, (key, _) in opened.items():
            if key is None:
                raise WrongKey(_misfit(where, name, fits=current is not None))
            keys[key.id] = key
        if current is None:
            current = _new(connection, master, where, keys)
        return cls(where, current, {**keys, current.id: current})

    @property
    def mark(self) -> str:
        """What every text that is sealed with the current key begins with.

        Empty without a key.
        """
        return self._current.mark if self._current else ""

    def seal(self, text: str, place: str) -> str:
        """Return `text` sealed for `place`, by its table and key: ``tasks:T1``."""
        if self._current is None:
            return text
        return "#" + b64encode(self.seal_bytes(_bytes(text), place)).decode()

    def unseal(self, text: str, place: str) -> str:
        """Return what was sealed for `place`; text that is not sealed as it is.

        Raises:
            Forged: it was not sealed here, with a key of this file.
        """
        if text[:1] != "#":
            return text
        try:
            raw = b64decode(text[1:], validate=True)
            return _text(self.unseal_bytes(raw, place))
        except ValueError:
            raise Forged(_damaged(self._where, place)) from None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys of the file, in hexadecimal, the current one first."""
        first = [self._current.id] if self._current else []
        others = [key for key in self._keys if key not in first]
        return tuple(key.hex() for key in first + others)

    def seal_bytes(self, data: bytes, place: str) -> bytes:
        """Return `data` sealed for `place`, `OVERHEAD` bytes longer.

        Without a key it is returned as it is, and nothing tells it from sealed data.
        """
        if self._current is None:
            return data
        nonce = os.urandom(_NONCE)
        sealed = self._current.cipher.encrypt(nonce, data, _bytes(place))
        return self._current.id + nonce + sealed

    def unseal_bytes(self, data: bytes, place: str) -> bytes:
        """Return what `seal_bytes` sealed for `place` with a key.

        Raises:
            Forged: it was not sealed here, with a key of this file.
        """
        from cryptography.exceptions import InvalidTag

        try:
            key = self._keys[data[:_ID]]
            nonce, sealed = data[_ID : _ID + _NONCE], data[_ID + _NONCE :]
            return key.cipher.decrypt(nonce, sealed, _bytes(place))
        except (KeyError, ValueError, InvalidTag):
            raise Forged(_damaged(self._where, place)) from None

    def forget(self, connection: sqlite3.Connection) -> None:
        """Drop every key but the current one, once nothing is sealed with it any more.

        Without a current key all are dropped.
        """
        kept = self._current.id.hex() if self._current else ""
        connection.execute("DELETE FROM keys WHERE id <> ?", (kept,))

    def plain(self) -> "Sealer":
        """Return one that reads what this one reads and seals nothing."""
        return Sealer(self._where, None, self._keys)


def check_keys(
    connection: sqlite3.Connection,
    master: str = "",
    previous: str = "",
    *,
    where: object,
) -> None:
    """Check that keys fit a file, which may be open for reading only.

    Takes what `Sealer.of` takes; nothing is written to the file.

    Raises:
        WrongKey: they do not, as `Sealer.of` would say.
    """
    reader(connection, master, previous, where=where)


def reader(
    connection: sqlite3.Connection,
    master: str = "",
    previous: str = "",
    *,
    where: object,
) -> Sealer:
    """Return what unseals a file, which may be open for reading only.

    Takes what `Sealer.of` takes; nothing is written to the file, so whatever this
    seals nobody can unseal.

    Raises:
        WrongKey: the keys do not fit, as `Sealer.of` would say.
    """
    with closing(sqlite3.connect(":memory:")) as apart:
        apart.execute(SCHEMA)
        if connection.execute("SELECT 1 FROM pragma_table_info('keys')").fetchone():
            known = connection.execute("SELECT id, salt, word FROM keys").fetchall()
            apart.executemany("INSERT INTO keys VALUES (?, ?, ?)", known)
        return Sealer.of(apart, master, previous, where=where)


def seal_alone(text: str, place: str, master: str) -> str:
    """Return `text` sealed for `place` with a key of its own, made from `master`.

    Raises:
        WrongKey: the package that seals is not installed.
    """
    salt = os.urandom(_SALT)
    sealer = Sealer(place, _derived(master, salt), {})
    return f"#{b64encode(salt).decode()}{sealer.seal(text, place)}"


def unseal_alone(text: str, place: str, masters: Iterable[str], where: object) -> str:
    """Return what `seal_alone` sealed for `place` with one of the master keys.

    Args:
        text: what is sealed.
        place: where it belongs.
        masters: the master keys that may fit.
        where: how errors name it.

    Raises:
        WrongKey: none of them fits, or the package that seals is not installed.
        Forged: it was changed, or copied from another place.
    """
    salt, _, sealed = text[1:].partition("#")
    try:
        grains = b64decode(salt, validate=True)
    except ValueError:
        grains = b""
    if len(grains) != _SALT or not sealed:
        raise Forged(_damaged(where, place))
    for master in masters:
        key = _derived(master, grains)
        if f"#{sealed}".startswith(key.mark):
            return Sealer(where, None, {key.id: key}).unseal(f"#{sealed}", place)
    raise WrongKey(
        f"{where} is sealed with another key: set storage_master_key, or "
        "storage_master_key_previous, to that one"
    )


def _damaged(where: object, place: str) -> str:
    return (
        f"{where} is damaged at {place!r}, which was changed or copied from elsewhere: "
        "put a copy from your backups in its place"
    )


def _misfit(where: object, name: str, *, fits: bool) -> str:
    if fits:
        return (
            f"the key does not fit all of {where}, part of which is sealed with key "
            f"{name}: set storage_master_key_previous to that one"
        )
    return (
        f"the key does not fit {where}, which is sealed with key {name}: set "
        "storage_master_key to that one, or storage_master_key_previous when another "
        "is to take its place"
    )


def _opened(
    word: str, salt: str, master: str, previous: str
) -> tuple[_Key | None, bool]:
    """Return the key of one salt that opens its word, and whether it is `master`'s."""
    for candidate in filter(None, (master, previous)):
        key = _derived(candidate, b64decode(salt))
        with suppress(Forged):
            Sealer("", key, {key.id: key}).unseal(word, _place(key))
            return key, candidate == master
    return None, False


def _new(
    connection: sqlite3.Connection,
    master: str,
    where: object,
    others: Mapping[bytes, _Key],
) -> _Key:
    """Make a key with a salt of its own and let the file know it."""
    marks = {key.mark for key in others.values()}
    salt = os.urandom(_SALT)
    while (key := _derived(master, salt)).mark in marks:
        salt = os.urandom(_SALT)
    word = Sealer(where, key, {}).seal(_WORD, _place(key))
    connection.execute(
        "INSERT INTO keys VALUES (?, ?, ?)",
        (key.id.hex(), b64encode(salt).decode(), word),
    )
    return key


def _place(key: _Key) -> str:
    return f"keys:{key.id.hex()}"


def _derived(master: str, salt: bytes) -> _Key:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError:
        raise WrongKey(
            "a storage_master_key is set but the package that seals is not installed: "
            "install swarmtui[encryption], or leave the key out"
        ) from None
    made = HKDF(SHA256(), 32 + _ID, salt, _INFO).derive(_bytes(master))
    return _Key(made[32:], AESGCM(made[:32]))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
