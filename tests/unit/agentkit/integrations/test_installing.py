"""Installed and taken out again, settings are what they were."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agentkit.errors import Invalid
from agentkit.integrations import installing
from agentkit.integrations.events import PRODUCTS
from agentkit.integrations.wiring import WIRINGS, Scope, is_ours

BEFORE = {
    ".claude/settings.json": '{\n    "model": "opus",  "hooks": {"Stop": [{"hooks": '
    '[{"type": "command", "command": "say done"}]}]}\n}',
    ".codex/config.toml": '# mine\nmodel = "x"\n\n[tui]\ntheme = "dark"',
    ".codex/hooks.json": '{"hooks":{}}',
    ".gemini/settings.json": '{"theme":"GitHub"}\n',
    ".cursor/hooks.json": '{\n\t"version": 1,\n\t"hooks": {"stop": []}\n}\n',
    ".tmux.conf": "set -g mouse on",
}
"""Settings of somebody who has a style of their own."""

SCOPED = [
    (product, scope) for product, wiring in WIRINGS.items() for scope in wiring.scopes
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, which is the project as well, with settings in it."""
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path / "ours"))
    there = tmp_path / "home"
    there.mkdir()
    monkeypatch.setenv("HOME", str(there))
    monkeypatch.chdir(there)
    return there


def settle(home: Path) -> None:
    for name, text in BEFORE.items():
        path = home / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())


def tree(home: Path) -> dict[str, bytes | None]:
    """Return every file with what is in it, and every folder."""
    return {
        str(path.relative_to(home)): None if path.is_dir() else path.read_bytes()
        for path in home.rglob("*")
    }


def install(product: str, scope: Scope = "user") -> list[installing.Change]:
    changes = installing.plan(product, scope)
    installing.apply(changes)
    return changes


def uninstall(product: str, scope: Scope = "user") -> list[installing.Change]:
    changes = installing.plan_removal(product, scope)
    installing.remove(changes)
    return changes


@pytest.mark.parametrize(("product", "scope"), SCOPED)
@pytest.mark.parametrize("settled", [True, False], ids=["settled", "bare"])
def test_what_is_taken_out_is_as_it_was(
    home: Path, product: str, scope: Scope, settled: bool
) -> None:
    if settled:
        settle(home)
    before = tree(home)
    changes = install(product, scope)
    installed = tree(home)
    uninstall(product, scope)

    assert any(change.is_one for change in changes)
    assert installed != before
    assert tree(home) == before


@pytest.mark.parametrize(("product", "scope"), SCOPED)
def test_installed_twice_is_installed_once(
    home: Path, product: str, scope: Scope
) -> None:
    settle(home)
    before = tree(home)
    install(product, scope)
    once = tree(home)

    assert not any(change.is_one for change in install(product, scope))
    assert tree(home) == once
    uninstall(product, scope)
    assert tree(home) == before


@pytest.mark.parametrize(("product", "scope"), SCOPED)
def test_what_is_printed_is_what_is_written(
    home: Path, product: str, scope: Scope
) -> None:
    install(product, scope)

    for part in installing.parts(product, scope):
        if part.kind != "none":
            assert part.path.read_text("utf-8") == installing.fresh(part)


@pytest.mark.parametrize("product", WIRINGS)
def test_installed_for_the_user_and_a_project_it_is_taken_out_of_each(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    settle(home)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    before = tree(home), tree(tmp_path / "project")
    scopes = WIRINGS[product].scopes
    for scope in scopes:
        install(product, scope)
    for scope in scopes:
        uninstall(product, scope)

    assert (tree(home), tree(tmp_path / "project")) == before


@pytest.mark.parametrize("product", WIRINGS)
def test_a_kit_that_was_moved_is_called_where_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    settle(home)
    before = tree(home)
    monkeypatch.setenv("PATH", "/nowhere")
    for place in ("/old place/bin", "/new 'place'/bin"):
        monkeypatch.setattr(sys, "argv", [f"{place}/agentkit"])
        install(product)
    files = [text.decode() for text in tree(home).values() if text is not None]
    written = "".join(files).replace("\\", "")

    assert "old place" not in written
    assert "place" in written
    uninstall(product)
    assert tree(home) == before


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("claude", ".claude/settings.json"),
        ("codex", ".codex/hooks.json"),
        ("gemini", ".gemini/settings.json"),
        ("cursor", ".cursor/hooks.json"),
    ],
)
@pytest.mark.parametrize("settled", [True, False], ids=["settled", "bare"])
def test_a_product_may_write_its_settings_anew(
    home: Path, product: str, name: str, settled: bool
) -> None:
    if settled:
        settle(home)
    path = home / name

    def anew() -> str:
        said = {**json.loads(path.read_text()), "theme": "Zoë"}
        path.write_text(json.dumps(said, indent=2, ensure_ascii=False))
        return path.read_text()

    path.parent.mkdir(exist_ok=True)
    path.touch()
    if settled:
        expected = anew()
        settle(home)
    else:
        path.unlink()
        stays = {"version": 1} if product == "cursor" else {}  # it needs one
        said = {**stays, "theme": "Zoë"}
        expected = json.dumps(said, indent=2, ensure_ascii=False)
    install(product)
    anew()
    uninstall(product)

    assert path.read_text() == expected


def test_entries_of_ours_that_somebody_edited_go_as_well(home: Path) -> None:
    settle(home)
    install("claude")
    path = home / ".claude" / "settings.json"
    edited = path.read_text().replace('"timeout": 5', '"timeout": 9')
    edited = edited.replace(
        '"agentkit hook', "\"SWARMTUI_AGENT=me X='1 2' agentkit hook"
    )
    assert edited.count("SWARMTUI_AGENT") > 5
    path.write_text(edited)
    uninstall("claude")

    assert path.read_text() == BEFORE[".claude/settings.json"]


def test_a_block_goes_whatever_ends_its_lines(home: Path) -> None:
    settle(home)
    install("codex")
    path = home / ".codex" / "config.toml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    install("codex")
    assert path.read_bytes().count(b"notify = ") == 1
    uninstall("codex")

    expected = BEFORE[".codex/config.toml"].replace("\n", "\r\n")
    assert path.read_bytes().decode() == expected


def test_a_link_that_leads_nowhere_is_refused(home: Path) -> None:
    (home / ".claude").mkdir()
    link = home / ".claude" / "settings.json"
    link.symlink_to("settings.json")

    with pytest.raises(Invalid, match="is a link that leads nowhere"):
        install("claude")
    assert link.is_symlink()


def test_a_folder_in_the_place_of_a_file_is_refused(home: Path) -> None:
    (home / ".claude" / "settings.json").mkdir(parents=True)

    with pytest.raises(Invalid, match=r"settings\.json cannot be read"):
        install("claude")


def test_a_file_that_changed_after_the_plan_is_not_written(home: Path) -> None:
    settle(home)
    changes = installing.plan("claude", "user")
    path = home / ".claude" / "settings.json"
    path.write_text('{"mine": 1}')
    before = tree(home)

    with pytest.raises(Invalid, match="was changed by somebody just now"):
        installing.apply(changes)
    assert tree(home) == before


def test_a_place_that_cannot_be_written_is_told_in_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", "/proc/none")
    before = tree(home)

    with pytest.raises(Invalid, match=r"/proc/none.* cannot be written") as refused:
        install("codex")
    assert "\n" not in str(refused.value)
    assert tree(home) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
@pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])
def test_what_is_read_only_stays(home: Path, folder: bool) -> None:
    settle(home)
    path = home / ".claude" / "settings.json"
    guarded = path.parent if folder else path
    guarded.chmod(0o555 if folder else 0o444)
    before = tree(home)

    with pytest.raises(Invalid, match="cannot be written"):
        install("claude")
    guarded.chmod(0o755)
    assert tree(home) == before


@pytest.mark.parametrize("product", ["claude", "codex", "gemini", "cursor"])
def test_every_event_of_the_table_is_installed(home: Path, product: str) -> None:
    merges = [part for part in installing.parts(product, "user") if part.entries]
    install(product)
    (part,) = merges
    hooks = json.loads(part.path.read_text())["hooks"]

    events = {event for event in PRODUCTS[product].events if event[:6] != "agent-"}
    assert set(hooks) == events
    for event in events:
        (entry,) = hooks[event]
        assert is_ours(product, entry.get("hooks", [entry])[0])


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("claude", ".claude/settings.json"),
        ("gemini", ".gemini/settings.json"),
        ("cursor", ".cursor/hooks.json"),
    ],
)
def test_what_somebody_changed_meanwhile_stays(
    home: Path, product: str, name: str
) -> None:
    settle(home)
    install(product)
    path = home / name
    changed = path.read_text().replace("{", '{ "mine": [1,  2],', 1)
    path.write_text(changed)
    uninstall(product)

    assert path.read_text() == BEFORE[name].replace("{", '{ "mine": [1,  2],', 1)


def test_a_block_goes_and_what_was_written_around_it_stays(home: Path) -> None:
    settle(home)
    install("codex")
    path = home / ".codex" / "config.toml"
    path.write_text("# first\n" + path.read_text() + "\n# last\n")
    uninstall("codex")

    assert path.read_text() == "# first\n" + BEFORE[".codex/config.toml"] + "\n# last\n"


def test_a_file_of_ours_that_somebody_filled_stays_with_that(home: Path) -> None:
    install("claude")
    path = home / ".claude" / "settings.json"
    path.write_text(path.read_text().replace("{", '{"model": "opus",', 1))
    uninstall("claude")

    assert json.loads(path.read_text()) == {"model": "opus"}


def test_after_a_change_it_can_be_installed_again(home: Path) -> None:
    settle(home)
    install("claude")
    path = home / ".claude" / "settings.json"
    path.write_text(path.read_text().replace("opus", "sonnet"))
    install("claude")
    uninstall("claude")

    wanted = BEFORE[".claude/settings.json"].replace("opus", "sonnet")
    assert path.read_text() == wanted


def test_an_older_entry_of_ours_is_replaced(home: Path) -> None:
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    old = {"type": "command", "command": "/old/bin/agentkit hook claude"}
    path.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [old]}]}}))
    install("claude")

    assert "/old/bin" not in path.read_text()


@pytest.mark.parametrize(
    ("product", "name", "text"),
    [
        ("claude", ".claude/settings.json", b"{ // mine\n}"),
        ("claude", ".claude/settings.json", b""),
        ("claude", ".claude/settings.json", b'{"a": "\xff"}'),
        ("claude", ".claude/settings.json", b"\xef\xbb\xbf{}"),
        (
            "claude",
            ".claude/settings.json",
            b'{"a": ' + b"[" * 9999 + b"]" * 9999 + b"}",
        ),
        ("claude", ".claude/settings.json", b"null"),
        ("gemini", ".gemini/settings.json", b'{"a": /* mine */ 1}'),
        ("tmux", ".tmux.conf", b"set -g status-left \xff"),
        ("claude", ".claude/settings.json", b'{"hooks": "none"}'),
        ("codex", ".codex/hooks.json", b"[]"),
        ("codex", ".codex/config.toml", b"model = "),
        ("gemini", ".gemini/settings.json", b'{"a": 1,}'),
        ("cursor", ".cursor/hooks.json", b'{"hooks": {"stop": {}}}'),
        ("copilot", ".copilot/hooks/swarmtui.json", b'{"hooks": {}}'),
        ("opencode", ".config/opencode/plugins/swarmtui.js", b"// mine\n"),
    ],
)
def test_a_file_that_is_something_else_is_refused_and_not_touched(
    home: Path, product: str, name: str, text: bytes
) -> None:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    before = tree(home)

    with pytest.raises(Invalid, match=path.name) as refused:
        install(product)
    assert "\n" not in str(refused.value)
    assert tree(home) == before


def test_a_notify_of_ones_own_stays(home: Path) -> None:
    text = 'notify = ["say"]\n'
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(text)
    changes = install("codex")

    assert [change.note for change in changes if change.note] == [
        f"{home}/.codex/config.toml has a notify of its own, which stays"
    ]
    assert (home / ".codex" / "config.toml").read_text() == text
    assert (home / ".codex" / "hooks.json").exists()


def test_what_codex_reads_is_toml(home: Path) -> None:
    settle(home)
    install("codex")
    said = tomllib.loads((home / ".codex" / "config.toml").read_text())

    assert said["notify"][1:] == ["hook", "codex", "agent-turn-complete"]
    assert said["model"] == "x"


def test_a_copy_is_kept_for_its_owner_alone(home: Path) -> None:
    settle(home)
    install("claude")
    copy = installing.backup(home / ".claude" / "settings.json")

    assert copy.read_text() == BEFORE[".claude/settings.json"]
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_link_and_a_mode_stay(home: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    real.chmod(0o640)
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").symlink_to(real)
    install("claude")

    assert (home / ".claude" / "settings.json").is_symlink()
    assert "agentkit hook claude" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_dry_run_writes_nothing(home: Path, tmp_path: Path) -> None:
    settle(home)
    before = tree(tmp_path)
    (change,) = installing.plan("claude", "user")

    assert '+                    "command": "' in change.diff()
    assert tree(tmp_path) == before


def test_the_folders_of_the_products_are_heeded(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "elsewhere"))
    install("codex")

    assert (tmp_path / "elsewhere" / "hooks.json").exists()
    assert tree(home) == {}


@pytest.mark.parametrize("product", WIRINGS)
def test_a_program_that_is_not_on_the_path_is_called_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "my bin" / "agentkit")])
    before = tree(Path.home())
    install(product)
    written = "".join(
        text.decode() for text in tree(Path.home()).values() if text is not None
    )

    assert f"{tmp_path}/my bin/agentkit" in written.replace("\\", "")
    uninstall(product)
    assert tree(Path.home()) == before


def test_a_project_may_be_shared_and_has_no_path_of_ours(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", ["/my/bin/agentkit"])
    install("claude", "project")

    assert '"agentkit hook claude"' in (home / ".claude" / "settings.json").read_text()


def test_there_is_no_tmux_of_a_project() -> None:
    with pytest.raises(Invalid, match="leave --project out"):
        installing.plan("tmux", "project")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.parametrize("path", ["/bin/", "/it's my bin/"], ids=["plain", "strange"])
def test_tmux_reads_what_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(sys, "argv", [f"{path}agentkit"])
    usual = os.environ["PATH"]
    monkeypatch.setenv("PATH", "/nowhere")
    install("tmux")
    monkeypatch.setenv("PATH", usual)
    show = [";", "show-hooks", "-g", ";", "show-hooks", "-gw"]
    with TemporaryDirectory() as short:  # for the name of a socket
        done = subprocess.run(
            [
                *("tmux", "-S", f"{short}/s", "-f", "/dev/null", "start-server", ";"),
                *("source-file", str(home / ".tmux.conf"), *show),
            ],
            env={**os.environ, "TERM": "dumb"},
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )

    assert done.stderr == ""
    for event in PRODUCTS["tmux"].events:
        assert f"agentkit hook tmux {event} " in done.stdout
    assert path in done.stdout.replace("\\", "")
