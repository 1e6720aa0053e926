"""Settings: bounds, and what is safe together."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentkit.errors import Invalid
from server.settings import Settings, checked, load_settings

TLS: dict[str, Any] = {"tls_cert": Path("cert.pem"), "tls_key": Path("key.pem")}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_hub_listens_on_loopback_only_unless_told_otherwise() -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.loopback) == (
        "127.0.0.1",
        8765,
        True,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_recognised(host: str) -> None:
    assert Settings(host=host).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.evil", "hub"])
def test_what_others_can_reach_needs_tls_or_the_word(host: str) -> None:
    with pytest.raises(Invalid, match="say --insecure"):
        checked(Settings(host=host))

    assert checked(Settings(host=host, insecure=True)).host == host
    assert checked(Settings(host=host, **TLS)).host == host


@pytest.mark.parametrize("open_", [{"auth": "off"}, {"seed_api": "open"}])
def test_what_others_can_reach_needs_a_token(open_: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="token is needed"):
        checked(Settings(host="0.0.0.0", insecure=True, **open_))


@pytest.mark.parametrize("half", [{"tls_cert": Path("c")}, {"tls_key": Path("k")}])
def test_certificate_and_key_go_together(half: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="give both"):
        checked(Settings(**half))


def test_the_webhook_is_open_on_loopback_and_closed_elsewhere() -> None:
    assert Settings().webhook == "open"
    assert Settings(host="0.0.0.0", insecure=True).webhook == "off"
    assert Settings(host="0.0.0.0", insecure=True, seed_api="token").webhook == "token"
    assert Settings(seed_api="token").webhook == "token"


@pytest.mark.parametrize(
    ("flags", "tells"),
    [
        ({"port": 70_000}, "0 and 65535"),
        ({"store": "paper"}, "sqlite, memory"),
        ({"agent_rate": 0}, "0.1"),
        ({"log_level": "loud"}, "info"),
    ],
)
def test_a_value_out_of_bounds_is_refused(flags: dict[str, object], tells: str) -> None:
    with pytest.raises(Invalid, match=tells):
        load_settings(flags)


def test_the_environment_and_the_file_set_what_flags_leave_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config.toml").write_text("[hub]\nlease = 60\ngrace = 5\nport = 1000\n")
    monkeypatch.setenv("SWARMTUI_PORT", "2000")

    settings = load_settings({"host": None})

    assert settings.port == 2000
    assert settings.rules.lost_after == timedelta(seconds=65)


def test_everything_lives_in_the_data_folder(home: Path) -> None:
    assert load_settings().folder == home
    assert load_settings({"data_dir": "/srv/hub"}).folder == Path("/srv/hub")


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(), "http://127.0.0.1:80"),
        (Settings(host="0.0.0.0"), "http://127.0.0.1:80"),
        (Settings(host="::"), "http://[::1]:80"),
        (Settings(host="hub.local", **TLS), "https://hub.local:80"),
    ],
)
def test_the_url_is_one_that_this_machine_can_use(settings: Settings, url: str) -> None:
    assert settings.url(80) == url
