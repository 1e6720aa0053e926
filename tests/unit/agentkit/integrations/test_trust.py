"""What Codex notes when somebody trusts our hooks goes with them; the rest stays."""

import json
import tomllib
from pathlib import Path

import pytest

from agentkit.integrations import installing, trust
from agentkit.integrations.installing import BEGIN, END

CAPTURED = Path(__file__).parents[3] / "fixtures/hooks/codex-trusted-0.169.0.toml"
"""The settings of somebody who installed our hooks, and trusted them in Codex."""

OWN = {"type": "command", "command": "say done", "timeout": 5}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CODEX_HOME", raising=False)
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path / "ours"))
    monkeypatch.setenv("PATH", "/nowhere")
    there = tmp_path / "home"
    (there / ".codex").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(there))
    monkeypatch.chdir(there)
    return there


@pytest.fixture
def hooks(home: Path) -> Path:
    return home / ".codex" / "hooks.json"


@pytest.fixture
def settings(home: Path) -> Path:
    return home / ".codex" / "config.toml"


def noted(hooks: Path) -> str:
    """Return what Codex wrote behind the settings when the hooks were trusted."""
    text = CAPTURED.read_text()
    return text[text.index("\n[hooks.state]") :].replace(
        "/home/ann/.codex/hooks.json", str(hooks)
    )


def install() -> None:
    installing.apply(installing.plan("codex", "user"))


def uninstall() -> list[str]:
    changes = installing.plan_removal("codex", "user")
    installing.remove(changes)
    return [change.note for change in changes if change.note]


def test_what_was_captured_is_trusted(hooks: Path, settings: Path) -> None:
    install()
    assert not trust.is_trusted(settings.read_text(), hooks)

    assert trust.is_trusted(settings.read_text() + noted(hooks), hooks)


@pytest.mark.parametrize("end", ["\n", ""], ids=["line", "no line"])
def test_trusted_and_taken_out_the_settings_are_as_they_were(
    hooks: Path, settings: Path, end: str
) -> None:
    before = f'# mine\nmodel = "x"\n\n[tui]\ntheme = "dark"{end}'
    settings.write_text(before)
    install()
    with settings.open("a") as file:  # Codex ends the last line
        file.write(("" if end else "\n") + noted(hooks))

    assert uninstall() == []
    assert settings.read_text() == before
    assert not hooks.exists()


def test_what_codex_writes_of_other_things_stays(hooks: Path, settings: Path) -> None:
    whole = CAPTURED.read_text()
    begin, end = whole.index(BEGIN), whole.index(END) + len(END)
    other = whole[end : whole.index("\n[hooks.state]")]
    assert begin == 0
    settings.write_text(other.partition("\n[tui]")[0])
    install()
    settings.write_text(whole[:end] + other + noted(hooks))
    uninstall()

    assert settings.read_text() == other


def test_settings_that_were_not_there_are_not_there_again(
    hooks: Path, settings: Path
) -> None:
    install()
    settings.write_text(settings.read_text() + noted(hooks))
    uninstall()

    assert not settings.exists()


def test_a_notify_of_ones_own_does_not_keep_what_was_noted(
    hooks: Path, settings: Path
) -> None:
    settings.write_text('notify = ["say"]\n')
    install()
    settings.write_text(settings.read_text() + noted(hooks))
    uninstall()

    assert settings.read_text() == 'notify = ["say"]\n'


def test_the_trust_in_hooks_of_others_stays(hooks: Path, settings: Path) -> None:
    hooks.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [OWN]}]}}))
    before = (
        f'\n[hooks.state]\n\n[hooks.state."{hooks}:stop:0:0"]\n'
        'trusted_hash = "sha256:1"\n\n[hooks.state."/etc/hooks.json:stop:1:0"]\n'
        'trusted_hash = "sha256:2"\nenabled = false\n'
    )
    settings.write_text(before)
    install()
    ours = (
        noted(hooks).replace("\n[hooks.state]\n", "", 1).replace("stop:0:0", "stop:1:0")
    )
    settings.write_text(settings.read_text() + ours)

    assert trust.is_trusted(settings.read_text(), hooks)
    assert uninstall() == []
    assert settings.read_text() == before


def test_hooks_of_a_project_take_what_was_noted_along(
    home: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = home / "shop"
    shop.mkdir()
    monkeypatch.chdir(shop)
    settings.write_text('model = "x"\n')
    installing.apply(installing.plan("codex", "project"))
    assert settings.read_text() == 'model = "x"\n'
    settings.write_text('model = "x"\n' + noted(shop / ".codex" / "hooks.json"))
    installing.remove(installing.plan_removal("codex", "project"))

    assert settings.read_text() == 'model = "x"\n'


def test_a_home_behind_a_link_is_the_same(
    hooks: Path, settings: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(hooks.parent)
    install()
    said = noted(tmp_path / "link" / "hooks.json")
    settings.write_text(settings.read_text() + said)

    assert trust.is_trusted(settings.read_text(), hooks)
    uninstall()
    assert not settings.exists()


def test_what_is_written_in_another_way_stays_and_is_told_of(
    hooks: Path, settings: Path
) -> None:
    install()
    odd = f"[hooks]\nstate = {{ '{hooks}:stop:0:0' = {{ trusted_hash = 'x' }} }}\n"
    settings.write_text(settings.read_text() + odd)

    (note,) = uninstall()
    assert note.startswith(f"{settings} still says that the hooks were trusted")
    assert settings.read_text() == odd


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("sha256:", "sha256:0", 1),
        lambda text: text.replace("stop:0:0", "stop:4:0"),
        lambda text: f"{text}enabled = false\n",
        lambda text: text.replace("hooks.json", "others.json"),
        lambda text: '[hooks.state."x"]\ntrusted_hash = "sha256:0"\n',
        lambda text: "hooks = 1\n",
        lambda text: "hooks = ",
    ],
    ids=["digest", "place", "off", "file", "other", "strange", "not TOML"],
)
def test_only_the_trust_in_our_own_hooks_counts(hooks: Path, change: object) -> None:
    install()
    assert callable(change)

    assert not trust.is_trusted(change(noted(hooks)), hooks)


def test_what_is_left_is_toml(hooks: Path, settings: Path) -> None:
    install()
    settings.write_text(settings.read_text() + noted(hooks) + "\n[tui]\na = 1\n")
    uninstall()

    assert tomllib.loads(settings.read_text()) == {"tui": {"a": 1}}
