"""What coordinators wish of runs."""

from typing import Annotated, Final, NotRequired

from pydantic import AfterValidator
from typing_extensions import TypedDict

from server.wire.values import Body, Number

PLAN_BYTES: Final = 8 << 20
"""How large a request that launches a plan may be; all others stay below `max_body`."""


class LaunchWish(TypedDict, total=False):
    """The fields of `Launch`, or where to begin: at a checkpoint of another run.

    With `resume_from` a plan takes the place of the other run's.
    """

    plan: Body
    input: Body
    machine: str
    id: str
    resume_from: str


def _says_what(wish: LaunchWish) -> LaunchWish:
    if not wish.keys() & {"plan", "resume_from"}:
        raise ValueError(
            "the plan is missing: add it, as a document, or resume_from, the address "
            "of a checkpoint"
        )
    for name in ("input", "machine"):
        if "resume_from" in wish and name in wish:
            raise ValueError(
                f"{name} is given with resume_from, and a checkpoint has its own: "
                f"leave {name} out"
            )
    return wish


RunLaunch = Annotated[LaunchWish, AfterValidator(_says_what)]


class CancelRunWish(TypedDict):
    """The fields of `CancelRun`."""

    id: str
    reason: NotRequired[str]


class ResumeRunWish(TypedDict):
    """The fields of `ResumeRun`."""

    id: str


class RetryRunWish(TypedDict):
    """The fields of `RetryRun`; without `visit` it is the last stage with failures."""

    id: str
    visit: NotRequired[Number]
