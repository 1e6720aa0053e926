"""What a check of the doctor found."""

from typing import Literal, NamedTuple, TypeAlias

Verdict: TypeAlias = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """What a check found, and what to do when it is not well."""

    result: Verdict
    found: str
    remedy: str = ""
