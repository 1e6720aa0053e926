"""What a session is told of its work and mail."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentkit.integrations import work
from agentkit.integrations.line import Away, Refused
from agentkit.integrations.session import Session

TASK: dict[str, Any] = {"id": "T1", "title": "", "by": "", "body": {"id": "T1"}}
ENDS = (
    "It counts as done when this turn ends. If it cannot be done, this says so: "
    "agentkit fail T1 'the reason' --agent a1"
)
OPENS = "Task T1 was assigned to this session"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, f"{OPENS} through swarmtui.\n\n{ENDS}"),
        ({"by": "eve"}, f"{OPENS} by eve through swarmtui.\n\n{ENDS}"),
        ({"title": "paint"}, f"{OPENS} through swarmtui: paint\n\n{ENDS}"),
        (
            {"body": {"id": "T1", "text": "the door\nin red"}},
            f"{OPENS} through swarmtui.\n\n> the door\n> in red\n\n{ENDS}",
        ),
        (
            {"body": {"id": "T1", "title": "x", "what": "door", "times": 2}},
            f'{OPENS} through swarmtui.\n\n> {{"what":"door","times":2}}\n\n{ENDS}',
        ),
    ],
)
def test_a_task_names_who_gave_it_and_how_it_ends(
    said: dict[str, Any], words: str
) -> None:
    assert work.told({**TASK, **said}, "a1") == words


def test_a_name_with_blanks_is_one_word_of_the_shell() -> None:
    words = work.told({**TASK, "id": "T 1; rm x"}, "it's me")

    assert words.endswith(
        "agentkit fail 'T 1; rm x' 'the reason' --agent 'it'\"'\"'s me'"
    )


def item(kind: str, seq: int = 1, **said: Any) -> dict[str, Any]:
    return {"kind": kind, "seq": seq, "by": "eve", **said}


def message(sender: str, **said: Any) -> dict[str, Any]:
    return item("message", message={"sender": sender, "text": "hi", **said})


HELPING = (
    "eve asks this session through swarmtui to help b1, who asked: "
    '"how?". Their note: be kind'
)
HELP = {"agent": "b1", "question": "how?", "note": "be kind"}


@pytest.mark.parametrize(
    ("mail", "words", "urgent"),
    [
        (
            item("broadcast", body={"text": "stop"}),
            "Broadcast to all agents from eve through swarmtui: stop",
            False,
        ),
        (
            item("answer", body={"text": "red", "question": "which?"}),
            'eve answered the question "which?" through swarmtui: red',
            True,
        ),
        (
            item("helper", body=HELP),
            HELPING,
            True,
        ),
        (message(""), "Message from eve through swarmtui: hi", True),
        (message("b1"), "Message from agent b1 through swarmtui: hi", False),
        (
            message("b1", text="", body={"n": 1}),
            'Message from agent b1 through swarmtui: {"n":1}',
            False,
        ),
    ],
)
def test_mail_names_who_sent_it(mail: dict[str, Any], words: str, urgent: bool) -> None:
    assert work.letters([mail]) == (words, [1])
    assert work.is_urgent(mail) is urgent


def test_what_there_is_no_room_for_is_left_for_the_next_time() -> None:
    mail = [item("broadcast", n, body={"text": "x" * 4000}) for n in range(1, 5)]
    text, numbers = work.letters(mail, "before")

    assert text.startswith("before\n\nBroadcast")
    assert len(text) <= work.LIMIT
    assert numbers == [1, 2]


class Hub:
    """A line on which certain things are answered."""

    left = 1.0

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []

    def ask(
        self, path: tuple[str, ...], _body: dict[str, Any] | None, _key: str = ""
    ) -> dict[str, Any]:
        self.asked.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer

    def tell(self, _agent: str, path: tuple[str, ...], body: dict[str, Any]) -> bool:
        self.ask(path, body)
        return True


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    session = Session.load("claude", "s/1 ü", {"SWARMTUI_HOME": str(tmp_path)})
    session.agent = "a1"
    return session


def again(session: Session, tmp_path: Path) -> Session:
    return Session.load(session.product, session.key, {"SWARMTUI_HOME": str(tmp_path)})


def test_a_session_remembers_what_it_was_given(
    session: Session, tmp_path: Path
) -> None:
    row = {**TASK, "fence": 7, "lease": 1800.0}
    text = work.claim(Hub({"tasks": [row]}, {}), session, "k", begun=False)
    assert text == work.told(row, "a1")
    found = again(session, tmp_path)
    assert (found.task, found.fence, found.begun, found.at) == ("T1", 7, False, "")
    (claim,) = (tmp_path / "claims").rglob("*.json")
    assert json.loads(claim.read_text())["fence"] == 7

    hub = Hub({})
    assert work.settle(hub, session, "complete", result={})
    assert hub.asked == [("tasks", "T1", "complete")]
    assert again(session, tmp_path).task == ""
    assert not claim.exists()


def test_a_lease_is_long_once_its_session_heard_of_it(session: Session) -> None:
    hub = Hub({"tasks": [{**TASK, "fence": 7, "lease": 60.0}]}, {})
    work.claim(hub, session, "k", begun=True)

    assert hub.asked == [("claims",), ("tasks", "T1", "extend")]
    assert session.at == "T1"


def test_a_task_that_was_told_of_too_late_goes_back(session: Session) -> None:
    hub = Hub({"tasks": [{**TASK, "fence": 7, "lease": 60.0}]}, Away("late"), {})
    with pytest.raises(Away):
        work.claim(hub, session, "k", begun=True)

    assert hub.asked[-1] == ("tasks", "T1", "nack")
    assert session.task == ""


def test_a_task_that_is_anothers_by_now_is_not_told_of(session: Session) -> None:
    late = {"tasks": [{**TASK, "fence": 7, "lease": 60.0}]}
    with pytest.raises(Refused):
        work.claim(Hub(late, Refused("the lease has ended")), session, "k", begun=True)

    assert session.task == ""


@pytest.mark.parametrize("gone", [Refused("the lease has ended")])
def test_a_lease_that_is_anothers_is_forgotten(
    session: Session, tmp_path: Path, gone: Exception
) -> None:
    session.hold("T1", 7, begun=True)
    work.extend(Hub(gone), session)

    assert again(session, tmp_path).task == ""


def test_a_lease_stays_while_the_hub_is_away(session: Session, tmp_path: Path) -> None:
    session.hold("T1", 7, begun=True)
    work.extend(Hub(Away("gone")), session)

    assert again(session, tmp_path).at == "T1"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"told": "x", "given": null}'])
def test_a_damaged_session_begins_anew(
    session: Session, tmp_path: Path, text: str
) -> None:
    session.state = "busy"
    session.save()
    Path(session.file).write_text(text)
    found = again(session, tmp_path)

    assert (found.state, found.told, found.given, found.task) == ("", 0, 0, "")
    assert len(found.secret) == 16


def test_what_is_remembered_is_for_its_owner_alone(session: Session) -> None:
    session.save()
    session.hold("T1", 7, begun=True)
    folder = Path(session.file).parent

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 2
    session.forget()
    assert list(folder.iterdir()) == []
