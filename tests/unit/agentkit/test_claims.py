"""The leases that a machine remembers."""

import stat
from pathlib import Path

import pytest

from agentkit.claims import Claim, Claims
from agentkit.errors import NotFound


def test_a_claim_is_found_again_until_it_is_forgotten(tmp_path: Path) -> None:
    claims, claim = Claims(tmp_path / "claims"), Claim("a1", "T1", 7, 60.0)
    claims.keep(claim)

    assert Claims(tmp_path / "claims").get("a1", "T1") == claim
    claims.forget(claim)
    claims.forget(claim)
    with pytest.raises(NotFound, match="no claim of a1 on task 'T1' is remembered"):
        claims.get("a1", "T1")


def test_the_newest_lease_of_a_task_counts(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claims.keep(Claim("a1", "T1", 7))
    claims.keep(Claim("a1", "T1", 9))

    claims.forget(Claim("a1", "T1", 7))
    assert claims.get("a1", "T1").fence == 9


def test_agents_and_tasks_may_be_called_anything(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    names = [("a/..", "x" * 256), ("a", "b"), ("a b", ""), ("a", "ü" * 256)]
    for fence, (agent, task) in enumerate(names):
        claims.keep(Claim(agent, task, fence))

    assert [claims.get(*name).fence for name in names] == [0, 1, 2, 3]


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    Claims(tmp_path / "claims").keep(Claim("a1", "T1", 7))

    (file,) = (tmp_path / "claims").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_damaged_file_is_no_claim(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claims.keep(Claim("a1", "T1", 7))
    for text in ("", "[]", '{"agent": 1}', "{"):
        next(tmp_path.glob("*.json")).write_text(text)

        with pytest.raises(NotFound):
            claims.get("a1", "T1")


def test_whoever_forgot_its_own_name_is_told_who_claimed(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claims.keep(Claim("a1", "T1", 7))

    with pytest.raises(NotFound, match="a1 has one, so add --agent a1"):
        claims.get("a2", "T1")
