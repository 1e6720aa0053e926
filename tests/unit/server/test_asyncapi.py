"""The document of the WebSockets names every frame and every request."""

import re
from pathlib import Path
from typing import Any

import pytest

from server.questions import QUESTIONS
from server.views import VIEWS
from server.wire import AGENT_FRAME, BUS_FRAME, WATCH_FRAME, WISHES

DOCUMENT = Path(__file__).parents[3] / "docs" / "asyncapi.yaml"


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text()


@pytest.mark.parametrize("shape", [AGENT_FRAME, BUS_FRAME, WATCH_FRAME])
def test_every_frame_that_comes_up_is_described(text: str, shape: Any) -> None:
    described = set(re.findall(r"type: { const: (\w+) }", text))

    assert set(shape.json_schema()["discriminator"]["mapping"]) <= described


def test_every_request_is_described(text: str) -> None:
    listed = re.search(r" do:\n +enum:\n((?: +- \w+\n)+)", text)

    assert listed is not None
    assert set(re.findall(r"\w+", listed[1])) == {*WISHES, *QUESTIONS, *VIEWS}


def test_every_reference_leads_somewhere(text: str) -> None:
    for path in set(re.findall(r"'#/([\w/]+)'", text)):
        name = path.rpartition("/")[2]
        assert re.search(rf"^ +{name}:", text, re.MULTILINE), path


def test_every_message_is_said_by_somebody(text: str) -> None:
    named = re.findall(r"\n      (\w+): { \$ref: '#/components/messages/\1' }", text)
    said = re.findall(r"\n      - \$ref: '#/channels/\w+/messages/(\w+)'", text)

    assert sorted(named) == sorted(said)
