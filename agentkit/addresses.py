"""Where results are: ``swarm://RUN/NAME``.

RUN is a run, or whatever else the writer chose; NAME may have slashes. Of a run that
the hub knows ``result`` is what it led to, ``checkpoint`` the newest of its checkpoints
and ``checkpoint/N`` a certain one; nobody else writes those.
"""

from typing import Final, NamedTuple

from agentkit.errors import Invalid

SCHEMES: Final = ("swarm", "flatagents")
"""How addresses may begin; ours is the first, the other is that of flatagents."""

LONGEST: Final = 256


class Address(NamedTuple):
    """Where one result is."""

    run: str
    name: str

    def __str__(self) -> str:
        return f"{SCHEMES[0]}://{self.run}/{self.name}"

    @property
    def is_reserved(self) -> bool:
        """Whether it is the run itself that writes there."""
        return self.name == "result" or self.name.split("/")[0] == "checkpoint"

    @property
    def is_checkpoint(self) -> bool:
        """Whether it names a checkpoint of a run, with a number or the newest."""
        head, slash, number = self.name.partition("/")
        plain = number.isascii() and number.isdecimal() and len(number) < 16
        return head == "checkpoint" and (not slash or plain)

    @property
    def number(self) -> int | None:
        """Which checkpoint it names; None is the newest."""
        _, _, number = self.name.partition("/")
        return int(number) if self.is_checkpoint and number else None


def address_of(text: str) -> Address:
    """Read an address.

    Raises:
        Invalid: it is none.
    """
    scheme, found, rest = text.partition("://")
    run, _, name = rest.partition("/")
    if not found or scheme not in SCHEMES or not run or not name:
        raise Invalid(
            f"{text!r} is not the address of a result: write swarm://RUN/NAME"
        )
    for what, word in (("run", run), ("name", name)):
        if len(word) > LONGEST or not word.isprintable():
            raise Invalid(
                f"the {what} in the address {text[:80]!r} is too long or has control "
                f"characters: {LONGEST} characters that can be printed are allowed"
            )
    return Address(run, name)
