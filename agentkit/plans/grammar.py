"""How expressions are written: the grammar of Jinja2, whose parser reads them.

Only the parser is Jinja2's. What it found is turned into functions of our own in
`evaluation`; nothing that Jinja2 generates is ever run.
"""

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from jinja2 import TemplateSyntaxError, nodes
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agentkit.plans.values import ExpressionError

LONGEST: Final = 4096
"""How many characters an expression may have."""

DEEPEST: Final = 60
"""How deep the parts of an expression may be nested."""

TOKENS: Final = 500
"""How many words and signs an expression may have."""

DIGITS: Final = 40
"""How many digits a number may have: the lexer takes their square in time."""

_SIGNS: Final = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{}]|\d{41,}""", re.DOTALL
)
"""Strings, braces and numbers that are too long."""

_ESCAPE: Final = re.compile(
    r"""\\(?:[\\'"nrtbf]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|(?P<odd>.))""", re.DOTALL
)
"""Escapes in strings: those that JSON has as well, and all others."""

_JINJA: Final = ImmutableSandboxedEnvironment(keep_trailing_newline=True)
"""Has the lexer and the settings that the parser asks for."""

_STATEMENT: Final = (
    "a plan has no statements, {% … %}; write an expression, {{ … }}, "
    "or {{ '{%' }} for the text"
)


class Piece(NamedTuple):
    """A part of a text: what stands there, or an expression."""

    text: str
    is_expression: bool
    column: int
    """Where it begins in the whole text, from 1."""


def parse(text: str) -> nodes.Expr:
    """Return the tree of an expression.

    Raises:
        ExpressionError: it cannot be read; the error has the column.
    """
    if len(text) > LONGEST:
        raise ExpressionError(_too_long(len(text)))
    _check_signs(text)
    tokens, columns = _tokens(text)
    if len(tokens) > TOKENS or _depth(tokens) > DEEPEST:
        raise ExpressionError("it is too long or nested too deep; split it")
    stream = TokenStream(iter(tokens), None, None)
    parser = Parser(_JINJA, "", state="variable")
    parser.stream = stream
    try:
        tree = parser.parse_expression()
    except TemplateSyntaxError as error:
        column = _column(stream.current, tokens, columns, text)
        raise ExpressionError(_told(error), column=column) from None
    except RecursionError:
        raise ExpressionError("it is nested too deep; split it") from None
    if not stream.eos:
        column = _column(stream.current, tokens, columns, text)
        raise ExpressionError(_more(stream.current), column=column)
    _check_depth(tree)
    return tree


def _more(token: Token) -> str:
    return f"{token.value!r} follows where it should end; join them, or leave it out"


def _check_signs(text: str) -> None:
    """Refuse what the lexer takes long for, or warns about."""
    for found in _SIGNS.finditer(text):
        sign = found.group()
        if sign.isdecimal():
            told = f"a number has more than {DIGITS} digits; JSON has no such"
            raise ExpressionError(told, column=found.start() + 1)
        for escape in _ESCAPE.finditer(sign):
            if escape.group("odd"):
                told = f"{escape.group()!s} is no escape; write two for a backslash"
                column = found.start() + escape.start() + 1
                raise ExpressionError(told, column=column)


def _tokens(text: str) -> tuple[list[Token], list[int]]:
    """Return the tokens of an expression, and the column of each."""
    raw = []
    at = 1
    try:
        for line, name, value in _JINJA.lexer.tokeniter(text, None, state="variable"):
            raw.append((at, (line, name, value)))
            at += len(value)
        pairs = [
            (column, token)
            for column, lexed in raw
            for token in _JINJA.lexer.wrap([lexed])
        ]
    except (TemplateSyntaxError, ValueError, IndexError) as error:
        raise ExpressionError(_told(error), column=at) from None
    return [token for _, token in pairs], [column for column, _ in pairs]


def _depth(tokens: list[Token]) -> int:
    """Return how deep brackets and signs are nested, at most."""
    turns = {"lparen": 1, "lbracket": 1, "lbrace": 1}
    turns |= {"rparen": -1, "rbracket": -1, "rbrace": -1}
    return max(accumulate((turns.get(token.type, 0) for token in tokens), initial=0))


def _check_depth(tree: nodes.Node) -> None:
    level: list[nodes.Node] = [tree]
    for _ in range(DEEPEST):
        level = [below for node in level for below in node.iter_child_nodes()]
        if not level:
            return
    raise ExpressionError("it is nested too deep; split it over several stages")


def _column(current: Token, tokens: list[Token], columns: list[int], text: str) -> int:
    """Return where the parser stood; just behind the text when it was at the end."""
    for token, column in zip(tokens, columns, strict=True):
        if token is current:
            return column
    return len(text.rstrip()) + 1


def _told(error: Exception) -> str:
    told = getattr(error, "message", None) or str(error)
    told = told.replace("'end of template'", "end").replace("end of template", "end")
    told = re.sub(r" at \d+$", "", told)
    return f"{told[:1].lower()}{told[1:].rstrip('.')}; correct it"


def pieces(text: str) -> Iterator[Piece]:
    """Split a text at its expressions, ``{{ … }}``.

    Blanks beside ``{{-`` and ``-}}`` are dropped, as in Jinja2.

    Raises:
        ExpressionError: an expression has no end, or there is a statement.
    """
    at = 0
    trim = False
    while (begun := text.find("{{", at)) >= 0:
        ended = _end(text, begun + 2)
        inside = text[begun + 2 : ended]
        left, right = inside.startswith("-"), inside.endswith("-")
        yield _plain(text[at:begun], at, trim, left)
        inside = inside[left : len(inside) - right]
        yield Piece(inside, True, begun + 3 + left)
        at, trim = ended + 2, right
    yield _plain(text[at:], at, trim, False)


def _plain(text: str, at: int, left: bool, right: bool) -> Piece:
    if "{%" in text:
        raise ExpressionError(_STATEMENT, column=at + text.index("{%") + 1)
    text = text.lstrip() if left else text
    return Piece(text.rstrip() if right else text, False, at + 1)


def _end(text: str, at: int) -> int:
    """Return where the expression that begins at a place has its ``}}``."""
    depth = 0
    for found in _SIGNS.finditer(text, at, at + LONGEST + 2):
        sign = found.group()
        if sign == "{":
            depth += 1
        elif sign == "}" and depth:
            depth -= 1
        elif sign == "}" and text.startswith("}}", found.start()):
            return found.start()
    if len(text) - at > LONGEST:
        raise ExpressionError(_too_long(len(text) - at), column=at + 1)
    raise ExpressionError("it has no end; close it with }}", column=at + 1)


def _too_long(length: int) -> str:
    return (
        f"it has {length:,} characters, at most {LONGEST:,} are read; "
        "split it over several stages"
    )
