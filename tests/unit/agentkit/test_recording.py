"""The format of recordings: what is written is read back, whatever befalls the file."""

import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.errors import Conflict, Invalid
from agentkit.recording import Header, Recording, Writer, create

HEADER = Header(
    started=datetime(2026, 1, 1, 12, tzinfo=UTC), url="http://127.0.0.1:1", hub="0.1.0"
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=8,
)
frames = st.builds(
    lambda kind, rest: rest | {"type": kind},
    st.sampled_from(["welcome", "turn", "stats", "links", "never heard of"]),
    st.dictionaries(texts.filter(lambda key: key != "events"), values, max_size=4),
)
films = st.lists(st.tuples(st.floats(0, 100), frames), max_size=6).map(
    lambda film: sorted(film, key=lambda entry: entry[0])
)
names = st.sampled_from(["a.rec", "a.rec.gz"])
in_a_folder = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def write(path: Path, film: list[tuple[float, dict[str, Any]]]) -> bytes:
    with create(path, force=True) as file:
        writer = Writer(file, HEADER)
        for second, frame in film:
            writer.write(second, frame)
    return path.read_bytes()


def read(path: Path) -> list[dict[str, Any]]:
    with Recording.open(path) as recording:
        return [recording.frame(number) for number in range(len(recording))]


@in_a_folder
@given(film=films, name=names)
def test_what_is_written_is_read_back(tmp_path: Path, film: Any, name: str) -> None:
    write(tmp_path / name, film)

    with Recording.open(tmp_path / name) as recording:
        assert recording.header == HEADER
        assert recording.cut == ""
        assert list(recording.times) == [round(second, 4) for second, _ in film]
        assert recording.kinds == [frame["type"] for _, frame in film]
    assert read(tmp_path / name) == [frame for _, frame in film]


@in_a_folder
@given(film=films, name=names, share=st.floats(0, 1))
def test_a_file_cut_off_anywhere_is_read_up_to_there(
    tmp_path: Path, film: Any, name: str, share: float
) -> None:
    whole = write(tmp_path / name, film)
    left = whole[: int(share * len(whole))]
    (tmp_path / name).write_bytes(left)

    found: list[dict[str, Any]] = []
    with suppress(Invalid):
        found = read(tmp_path / name)

    assert found == [frame for _, frame in film][: len(found)]
    if name == "a.rec":
        assert len(found) >= left.count(b"\n") - 1


@in_a_folder
@given(noise=st.binary(max_size=300))
def test_noise_is_refused_in_one_sentence(tmp_path: Path, noise: bytes) -> None:
    (tmp_path / "noise").write_bytes(noise)

    with pytest.raises(Invalid, match=r"noise is not a recording: make one with"):
        Recording.open(tmp_path / "noise")


@in_a_folder
@given(film=films, place=st.floats(0, 1), noise=st.binary(min_size=1, max_size=9))
def test_damage_ends_a_recording_and_is_told(
    tmp_path: Path, film: Any, place: float, noise: bytes
) -> None:
    whole = write(tmp_path / "a.rec", film)
    at = whole.index(b"\n") + 1
    at += int(place * (len(whole) - at))
    (tmp_path / "a.rec").write_bytes(whole[:at] + noise + b"\n" + whole[at:])

    with Recording.open(tmp_path / "a.rec") as recording:
        intact = whole[:at].count(b"\n") - 1
        assert len(recording) >= intact
        assert recording.cut or len(recording) >= len(film)


def test_a_cut_last_line_is_named(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.rec", [(0, {"type": "a"}), (1, {"type": "b"})])
    (tmp_path / "a.rec").write_bytes(whole[:-4])

    with Recording.open(tmp_path / "a.rec") as recording:
        assert recording.cut == "line 3 is cut off"
        assert recording.kinds == ["a"]


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rec").write_text('{"swarmtui":"recording","version":2,"new":1}\n')

    with pytest.raises(Invalid, match="is a recording of version 2, and this"):
        Recording.open(tmp_path / "a.rec")


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write(tmp_path / "a.rec", [])
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "a.rec").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.rec").write_text("mine")

    with pytest.raises(Conflict, match=r"a\.rec is there already"):
        create(tmp_path / "a.rec")
    assert (tmp_path / "a.rec").read_text() == "mine"


def test_time_never_goes_back(tmp_path: Path) -> None:
    write(tmp_path / "a.rec", [(5, {"type": "a"}), (3, {"type": "b"})])

    with Recording.open(tmp_path / "a.rec") as recording:
        assert list(recording.times) == [5, 5]
