"""A row with a few fields changed: `dataclasses.replace`, two to three times as fast.

Nearly all that a command costs is the making of rows, and `dataclasses.replace` looks
up every field by name and calls `__init__` with all of them. The rows and events here
are slotted and have no `__post_init__`, so that their slots can be copied as they are.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import fields
from itertools import repeat
from operator import attrgetter, call
from typing import Any, NamedTuple, TypeVar

R = TypeVar("R")


class _Form(NamedTuple):
    """How the records of a class are read and written."""

    values: Callable[[Any], tuple[Any, ...]]
    setters: tuple[Callable[[Any, Any], None], ...]
    setter: dict[str, Callable[[Any, Any], None]]


def replace(row: R, /, **changes: Any) -> R:
    """Return a record like `row`, with some fields changed.

    Raises:
        KeyError: it has no field of that name.
    """
    kind: type[Any] = type(row)
    form = _form(kind)
    new: R = object.__new__(kind)
    deque(map(call, form.setters, repeat(new), form.values(row)), maxlen=0)
    for name, value in changes.items():
        form.setter[name](new, value)
    return new


_FORMS: dict[type[Any], _Form] = {}


def _form(kind: type[Any]) -> _Form:
    form = _FORMS.get(kind)
    if form is None:
        form = _FORMS[kind] = _read_form(kind)
    return form


def _read_form(kind: type[Any]) -> _Form:
    names = [field.name for field in fields(kind)]
    setter = {name: getattr(kind, name).__set__ for name in names}
    return _Form(attrgetter(*names), tuple(setter.values()), setter)
