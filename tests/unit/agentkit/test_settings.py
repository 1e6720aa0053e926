"""Which layer wins, where files live, and what a bad setting is told."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from agentkit.errors import HubUnreachable, Invalid
from agentkit.settings import (
    DEFAULT_URL,
    KitSettings,
    Storage,
    discover,
    endpoint,
    load,
    number,
    one_of,
    paths,
    setting,
    storage,
    switch,
    whole,
)


@dataclass(frozen=True)
class HubSettings:
    SECTION: ClassVar[str] = "hub"

    port: int = setting(8765, "The port to listen on.", read=whole(0, 65535))
    grace: float = setting(1.5, "Seconds.", read=number(0, 60))
    auth: str = setting("on", "Whether.", read=one_of("on", "off"))
    loud: bool = setting(False, "Noise.", read=switch)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {"SWARMTUI_HOME": str(tmp_path / "home")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "deep"
    folder.mkdir(parents=True)
    return folder


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def load_hub(environ: dict[str, str], cwd: Path, **flags: Any) -> HubSettings:
    return load(HubSettings, flags=flags, environ=environ, cwd=str(cwd)).values


def test_flag_beats_environment_beats_project_beats_user_beats_default(
    environ: dict[str, str], project: Path
) -> None:
    assert load_hub(environ, project).port == 8765
    write(paths(environ).config_file, "[hub]\nport = 1\n")
    assert load_hub(environ, project).port == 1
    write(project.parent / "swarmtui.toml", "[hub]\nport = 2\n")
    assert load_hub(environ, project).port == 2
    environ["SWARMTUI_PORT"] = "3"
    assert load_hub(environ, project).port == 3
    assert load_hub(environ, project, port=4).port == 4
    assert load_hub(environ, project, port=None).port == 3


def test_the_source_of_every_value_is_remembered(
    environ: dict[str, str], project: Path
) -> None:
    config = write(paths(environ).config_file, "[hub]\ngrace = 2\n")
    environ["SWARMTUI_LOUD"] = "yes"

    loaded = load(
        HubSettings, flags={"port": 4}, environ=environ, cwd=str(project)
    ).sources

    assert {name: str(source) for name, source in loaded.items()} == {
        "port": "flag --port",
        "grace": f"user {config}",
        "auth": "default",
        "loud": "environment SWARMTUI_LOUD",
    }


def test_the_names_of_older_scripts_are_understood_when_ours_are_absent(
    environ: dict[str, str], project: Path
) -> None:
    environ |= {
        "IFNOTIFY_URL": "http://localhost:1/",
        "SESSION_ID": "s1",
        "CAPABILITIES": "video, ndi,",
    }

    old = load(KitSettings, environ=environ, cwd=str(project)).values
    environ["SWARMTUI_AGENT"] = "a1"
    new = load(KitSettings, environ=environ, cwd=str(project)).values

    assert (old.url, old.agent) == ("http://localhost:1", "s1")
    assert old.capabilities == ("video", "ndi")
    assert new.agent == "a1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "agnet = 'x'",
            "there is no setting 'agnet', found in {path}; did you mean ag",
        ),
        ("[hbu]\nport = 1", "there is no setting 'hbu', found in {path}; did you mean"),
        ("[hub]\nprot = 1", "'prot', found in [hub] of {path}; did you mean port?"),
        (
            "[hub]\nport = 70000",
            "it is not between 0 and 65535; correct the file {path}",
        ),
        ("[hub]\nport = 1.5", "cannot be 1.5: it is not a whole number"),
        ("[hub]\nport = true", "cannot be True: it is not a whole number"),
        ("[hub]\ngrace = 'x'", "cannot be 'x': it is not a number"),
        (
            "[hub]\nauth = 'maybe'",
            "cannot be 'maybe': it is none of on, off; correct the file",
        ),
        ("[hub]\nloud = 'maybe'", "cannot be 'maybe': it is neither true nor false"),
        ("hub = 1", "hub in {path} is not a section: write [hub]"),
        ("port = = 1", "the settings file {path} is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_place(
    environ: dict[str, str], project: Path, text: str, says: str
) -> None:
    path = write(paths(environ).config_file, text)

    with pytest.raises(Invalid) as caught:
        load_hub(environ, project)

    assert says.format(path=path) in str(caught.value)


def test_sections_of_other_packages_are_left_to_them(
    environ: dict[str, str], project: Path
) -> None:
    write(paths(environ).config_file, "agent = 'a1'\n[hub]\nnot_ours = 1\n")

    assert load(KitSettings, environ=environ, cwd=str(project)).values.agent == "a1"


@pytest.mark.parametrize("key", ["url", "token", "token_file", "client_key"])
def test_a_project_cannot_send_our_token_elsewhere(
    environ: dict[str, str], project: Path, key: str
) -> None:
    write(project / "swarmtui.toml", f"{key} = 'http://elsewhere'")

    with pytest.raises(Invalid, match=f"sets {key}, which a project may not decide"):
        load(KitSettings, environ=environ, cwd=str(project))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:8765", "does not begin with http:// or https://"),
        ("http://", "has no host name"),
        ("http://u@h", "has more than a host, a port and a path"),
        ("http://h:99999", "has a port that is not between 0 and 65535"),
        ("http://h\n", "is not a line of text"),
    ],
)
def test_a_bad_address_says_what_is_wrong(
    environ: dict[str, str], project: Path, url: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        load(KitSettings, flags={"url": url}, environ=environ, cwd=str(project))


def test_all_files_live_under_one_home_when_it_is_set(tmp_path: Path) -> None:
    found = paths({"SWARMTUI_HOME": str(tmp_path)})

    assert found.hub_file == tmp_path / "hub.json"
    assert found.database == tmp_path / "hub.db"
    assert found.config_file == tmp_path / "config.toml"
    assert found.outbox == tmp_path / "outbox"


def test_else_files_live_where_xdg_says(tmp_path: Path) -> None:
    found = paths(
        {
            "XDG_RUNTIME_DIR": "/run/user/7",
            "XDG_CONFIG_HOME": "/c",
            "XDG_DATA_HOME": "/d",
            "XDG_STATE_HOME": "relative-is-ignored",
            "HOME": "/h",
        }
    )

    assert found.hub_file == Path("/run/user/7/swarmtui/hub.json")
    assert found.config_file == Path("/c/swarmtui/config.toml")
    assert found.database == Path("/d/swarmtui/hub.db")
    assert found.outbox == Path.home() / ".local/state/swarmtui/outbox"
    assert paths({}).hub_file == Path.home() / ".local/state/swarmtui/hub.json"


def announce(environ: dict[str, str], url: str) -> None:
    text = json.dumps({"url": url, "token": "secret", "pid": 7, "new": 1})
    write(paths(environ).hub_file, text)


def test_the_announced_hub_is_found(environ: dict[str, str]) -> None:
    announce(environ, "http://127.0.0.1:9000")

    found = discover(environ)

    assert found is not None
    assert (found.url, found.token, found.pid) == ("http://127.0.0.1:9000", "secret", 7)
    assert "secret" not in repr(found)


def test_no_announcement_means_no_hub_and_the_default_address(
    environ: dict[str, str],
) -> None:
    assert discover(environ) is None
    assert endpoint(environ=environ).url == DEFAULT_URL


def test_a_broken_announcement_is_named(environ: dict[str, str]) -> None:
    path = write(paths(environ).hub_file, '{"url": "http://x"')

    with pytest.raises(HubUnreachable, match=f"^{path}, where the hub announces"):
        discover(environ)


def test_the_announced_token_goes_to_the_announced_hub_alone(
    environ: dict[str, str],
) -> None:
    announce(environ, "http://127.0.0.1:9000")

    def token(url: str) -> str:
        return endpoint(KitSettings(url=url), environ).token

    assert token("") == token("http://localhost:9000") == "secret"
    assert token("http://127.0.0.1:9001") == token("http://example.org:9000") == ""


def test_a_token_may_come_from_a_file(environ: dict[str, str], tmp_path: Path) -> None:
    environ["SWARMTUI_TOKEN_FILE"] = str(write(tmp_path / "t", "from-file\n"))

    assert endpoint(environ=environ).token == "from-file"

    environ["SWARMTUI_TOKEN_FILE"] = str(tmp_path / "absent")
    with pytest.raises(Invalid, match="cannot be read"):
        endpoint(environ=environ)


# --- durable agents -------------------------------------------------------------------

KEY = "correct horse battery staple"


def kept(environ: dict[str, str], **wishes: Any) -> Storage | None:
    found = load(KitSettings, environ=environ, cwd="/")
    return storage(found, environ=environ, **wishes)


def test_an_agent_keeps_nothing_unless_it_is_durable(tmp_path: Path) -> None:
    home = {"SWARMTUI_HOME": str(tmp_path)}

    assert kept(home) is None
    assert kept({**home, "SWARMTUI_DURABLE": "yes"}, durable=False) is None
    assert kept(home, durable=True) == Storage(tmp_path / "outbox" / "agents")


def test_the_variables_of_naylence_are_understood(tmp_path: Path) -> None:
    environ = {
        "FAME_DELIVERY_PROFILE": "at-most-once",
        "FAME_STORAGE_PROFILE": "encrypted-sqlite",
        "FAME_STORAGE_MASTER_KEY": KEY,
        "FAME_STORAGE_DB_DIRECTORY": str(tmp_path / "data"),
    }

    assert kept(environ) == Storage(tmp_path / "data", KEY)
    assert (
        load(KitSettings, environ=environ, cwd="/").values.guarantee == "at-most-once"
    )
    assert kept({**environ, "FAME_STORAGE_PROFILE": "memory"}) is None
    assert KEY not in repr(kept(environ))


def test_encrypted_storage_wants_a_key() -> None:
    with pytest.raises(Invalid, match="there is no key: set FAME_STORAGE_MASTER_KEY"):
        kept({"FAME_STORAGE_PROFILE": "encrypted-sqlite"})


def test_a_key_that_is_given_goes_before_the_settings(tmp_path: Path) -> None:
    environ = {"SWARMTUI_STORAGE_MASTER_KEY": KEY, "SWARMTUI_HOME": str(tmp_path)}
    other = "another horse battery"

    found = kept(environ, durable=True, key=other)

    assert found is not None
    assert found.key == other
