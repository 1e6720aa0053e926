"""TLS: who proves what to whom, with certificates of our own."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agentkit import Agent, Coordinator, notify
from agentkit.calls import Caller, tls_context
from agentkit.errors import HubError, HubUnreachable
from agentkit.settings import Endpoint, KitSettings
from tests.integration.authority import DAY, Authority, key_pem
from tests.integration.conftest import RunningHub, Start, launch


class Site:
    """A hub with TLS, and the files of everybody who has to do with it."""

    def __init__(self, folder: Path, *flags: str, mutual: bool = False) -> None:
        self.folder = folder
        self.authority = Authority("ours")
        self.ca = self.authority.write(folder / "ca.pem")
        self.cert, self.key = self.authority.issue(folder, "hub")
        self.mine = self.authority.issue(folder, "client")
        strangers = Authority("theirs")
        self.strangers_ca = strangers.write(folder / "strangers.pem")
        self.strangers = strangers.issue(folder, "stranger")
        home = folder / "home"
        home.mkdir()
        self.hub = launch(
            home,
            *("--store", "memory", "--tls-cert", str(self.cert)),
            *("--tls-key", str(self.key)),
            *(("--tls-client-ca", str(self.ca)) if mutual else ()),
            *flags,
        )
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()

    def endpoint(self, **changes: Any) -> Endpoint:
        """Return the hub as somebody on another machine has it set."""
        here = Endpoint(self.hub.url, self.hub.token, ca_file=self.ca)
        return replace(here, **changes)

    def environ(self, **more: object) -> dict[str, str]:
        """Return the environment of a program on another machine."""
        said = {
            "HOME": self.elsewhere, "SWARMTUI_HOME": self.elsewhere,
            "SWARMTUI_URL": self.hub.url, "SWARMTUI_TOKEN": self.hub.token,
            "SWARMTUI_CA_FILE": self.ca, "PATH": os.environ["PATH"], **more,
        }  # fmt: skip
        return {name: str(value) for name, value in said.items()}

    def run(self, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / words[0]), *words[1:]],
            env=self.environ(**more),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub that proves who it is."""
    site = Site(tmp_path_factory.mktemp("tls"))
    yield site
    site.hub.stop()


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub that wants a certificate of its clients as well."""
    site = Site(tmp_path_factory.mktemp("mtls"), mutual=True)
    yield site
    site.hub.stop()


async def say_all(site: Site, hub: Endpoint) -> str:
    """Let an agent report and a coordinator tell what it sees of it."""
    async with Agent("w1", hub=hub) as agent:
        await agent.busy("T1")
        await agent.flush(timeout=10)
    async with Coordinator(hub) as swarm:
        return swarm.agents["w1"].task


# --- every client ---


async def test_agents_and_coordinators_talk_over_tls(site: Site) -> None:
    assert await say_all(site, site.endpoint()) == "T1"


def test_requests_and_reports_go_over_tls(site: Site) -> None:
    kit = KitSettings(url=site.hub.url, token=site.hub.token, ca_file=site.ca)

    sent = notify("busy", "T2", agent="n1", settings=kit)

    assert sent.delivered, sent.reason
    with Caller(site.endpoint(), 5) as caller:
        assert caller.get("agents", "n1")["agent"]["task"] == "T2"


@pytest.mark.parametrize("mine", [False, True], ids=["tls", "mutual"])
def test_both_commands_find_their_files_in_the_environment(
    request: pytest.FixtureRequest, mine: bool
) -> None:
    site: Site = request.getfixturevalue("mutual" if mine else "site")
    cert, key = site.mine
    more = {"SWARMTUI_CLIENT_CERT": cert, "SWARMTUI_CLIENT_KEY": key} if mine else {}

    told = site.run("agentkit", "notify", "idle", "--strict", "--agent", "c1", **more)
    seen = site.run("swarmtui", "agents", "--json", **more)

    assert told.returncode == 0, told.stderr
    assert "c1" in {agent["id"] for agent in json.loads(seen.stdout)["agents"]}


async def test_on_its_own_machine_a_hub_is_trusted_without_a_setting(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(site.hub.home))
    for name in ("SWARMTUI_URL", "SWARMTUI_CA_FILE", "SWARMTUI_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    async with Coordinator() as swarm:
        assert swarm.url == site.hub.url
    assert notify("idle", agent="here").delivered


# --- who is not trusted ---


@pytest.mark.parametrize("trusted", ["", "strangers_ca"])
async def test_a_hub_that_cannot_prove_itself_gets_nothing(
    site: Site, trusted: str
) -> None:
    ca = getattr(site, trusted) if trusted else None

    with pytest.raises(HubUnreachable, match="SWARMTUI_CA_FILE"):
        async with Coordinator(site.endpoint(ca_file=ca)):
            pass
    with pytest.raises(HubUnreachable, match="SWARMTUI_CA_FILE"):
        Caller(site.endpoint(ca_file=ca), 5).get("agents")


async def test_a_certificate_for_another_name_proves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.hub.stop()
    cert, key = site.authority.issue(tmp_path, "other", host="hub.example")
    hub = launch(
        site.hub.home,
        *("--store", "memory", "--tls-cert", str(cert), "--tls-key", str(key)),
    )

    with pytest.raises(HubUnreachable, match="not trusted"):
        Caller(site.endpoint(url=hub.url), 5).get("agents")

    hub.stop()


@pytest.mark.parametrize("shown", ["none", "strangers", "mine"])
async def test_a_hub_that_wants_certificates_lets_in_only_its_own(
    mutual: Site, shown: str
) -> None:
    cert, key = getattr(mutual, shown, (None, None))
    hub = mutual.endpoint(client_cert=cert, client_key=key)

    if shown == "mine":
        assert await say_all(mutual, hub) == "T1"
        return
    with pytest.raises(HubError) as over_http:
        Caller(hub, 5).get("agents")
    with pytest.raises(HubError) as over_websocket:
        async with Coordinator(hub):
            pass
    told = {str(over_http.value), str(over_websocket.value)}
    assert all("SWARMTUI_CLIENT_CERT" in text for text in told), told


def test_without_tls_nothing_is_answered(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.hub.port), timeout=10) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        with suppress(ConnectionError):
            assert b"swarmtui" not in line.recv(1000)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"])
def test_old_versions_of_tls_are_refused(site: Site, version: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(site.ca)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    spoken = ""

    line = socket.create_connection(("127.0.0.1", site.hub.port), timeout=10)
    with suppress(OSError), context.wrap_socket(line, server_hostname="127.0.0.1") as s:
        spoken = str(s.version())
    line.close()

    assert spoken == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}.get(version, "")


# --- files that will not do ---


def attempt(folder: Path, *flags: object) -> subprocess.CompletedProcess[str]:
    """Run a hub that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "server", "--port", "0", *map(str, flags)],
        env={**os.environ, "SWARMTUI_HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def broken(kind: str, folder: Path) -> tuple[list[object], str]:
    """Return flags of a hub that cannot start, and what it says."""
    ours = Authority("ours")
    cert, key = ours.issue(folder, "hub")
    other_cert, other_key = ours.issue(folder, "other")
    nothing = folder / "nothing.pem"
    unread, unfit = f"{nothing} cannot be read", "are not a certificate and"
    match kind:
        case "no certificate":
            pair, tells = (nothing, key), unread
        case "no key":
            pair, tells = (cert, nothing), unread
        case "no text":
            cert.write_text("none")
            pair, tells = (cert, key), unfit
        case "mixed up":
            pair, tells = (cert, other_key), "is not that of the"
        case "swapped":
            pair, tells = (key, cert), unfit
        case "expired":
            pair = ours.issue(folder, "old", begins=-2 * DAY, ends=-DAY)
            tells = "has expired"
        case "early":
            pair = ours.issue(folder, "new", begins=DAY, ends=2 * DAY)
            tells = "is not valid yet"
        case "password":
            secret = ec.generate_private_key(ec.SECP256R1())
            key.write_bytes(key_pem(secret, b"open sesame"))
            pair, tells = (cert, key), "without a password"
        case _:
            other_cert.write_text("none")
            pair, tells = (cert, key), "holds no certificates"
    more = ["--tls-client-ca", other_cert] if kind == "client ca" else []
    return ["--tls-cert", pair[0], "--tls-key", pair[1], *more], tells


@pytest.mark.parametrize(
    "kind",
    [
        "no certificate", "no key", "no text", "mixed up", "swapped", "expired",
        "early", "password", "client ca",
    ],
)  # fmt: skip
def test_files_that_will_not_do_are_told_at_the_start(
    tmp_path: Path, kind: str
) -> None:
    flags, tells = broken(kind, tmp_path)

    ended = attempt(tmp_path, *flags)

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert tells in ended.stderr
    assert ": " in ended.stderr.partition(tells)[2], "there is no remedy"


# --- renewal ---


def test_a_renewed_certificate_is_shown_after_sighup(tmp_path: Path) -> None:
    site = Site(tmp_path)
    before = shown(site)
    new_cert, new_key = site.authority.issue(tmp_path, "renewed")
    new_cert.replace(site.cert)
    new_key.replace(site.key)

    site.hub.process.send_signal(signal.SIGHUP)
    hear(site.hub, "the certificate was renewed")

    found = json.loads((site.hub.home / "hub.json").read_text())
    assert shown(site) not in ("", before)
    assert found["certificate"].strip() == site.cert.read_text().strip()
    site.hub.stop()


def test_a_renewal_that_will_not_do_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    before = shown(site)
    site.cert.write_text("none")

    site.hub.process.send_signal(signal.SIGHUP)
    hear(site.hub, "the certificate was not renewed")

    assert shown(site) == before
    site.hub.stop()


def hear(hub: RunningHub, text: str) -> None:
    """Wait until a hub has logged something."""
    assert hub.process.stderr is not None
    for line in hub.process.stderr:
        if text in line:
            return
    raise AssertionError(f"the hub ended without saying {text!r}")


def shown(site: Site) -> str:
    """Return the serial number of the certificate that the hub shows."""
    context = tls_context(site.endpoint())
    line = socket.create_connection(("127.0.0.1", site.hub.port), timeout=10)
    with context.wrap_socket(line, server_hostname="127.0.0.1") as secured:
        return str((secured.getpeercert() or {})["serialNumber"])


# --- what does not finish ---


async def test_a_handshake_that_does_not_end_is_cut_off(tmp_path: Path) -> None:
    site = Site(tmp_path, "--request-within", "0.5")

    reader, writer = await asyncio.open_connection("127.0.0.1", site.hub.port)
    writer.write(b"\x16\x03\x01")

    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    site.hub.stop()


def test_a_second_hub_recognises_the_first_by_its_certificate(
    site: Site, start: Start
) -> None:
    ended = attempt(site.elsewhere, "--port", site.hub.port)

    assert ended.returncode == 1
    assert f"swarmtui attach https://127.0.0.1:{site.hub.port}" in ended.stderr
