from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ise_env.errors import WorkspaceError
from ise_env.workspaces import channel as channels
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.inside import wire
from ise_env.workspaces.protocol import WorkspaceGone

text = st.text(st.characters(codec="utf-8")) | st.just("\udcff\udc80")
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=50)
    | text
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
).filter(lambda value: depth(value) <= wire.MAX_DEPTH)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(st.lists(values, max_size=5), st.lists(st.integers(1, 40), max_size=30))
def test_frames_survive_any_cutting(sent: list[object], cuts: list[int]) -> None:
    stream = b"".join(map(wire.encode, sent))
    reader, received = wire.FrameReader(), []
    for size in cuts:
        received += reader.feed(stream[:size])
        stream = stream[size:]
    received += reader.feed(stream)
    assert received == sent
    assert reader.pending == 0


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    try:
        value = wire.decode(data)
    except wire.WireError:
        return
    assert wire.decode(wire.encode(value)[4:]) == value or value != value


@given(values, st.data())
def test_every_truncation_is_an_error(value: object, data: st.DataObject) -> None:
    body = wire.encode(value)[4:]
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(wire.WireError):
        wire.decode(body[:cut])


@given(values, st.data())
def test_any_flipped_byte_never_crashes(value: object, data: st.DataObject) -> None:
    body = bytearray(wire.encode(value)[4:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(wire.WireError):
        wire.decode(bytes(body))


@pytest.mark.parametrize(
    "value", [object(), 2**63, {1: 2}, {"a": {1}}, "\ud800", [[[[[[[[[[1]]]]]]]]]]]
)
def test_what_cannot_be_sent(value: object) -> None:
    with pytest.raises(wire.WireError):
        wire.encode(value)


def test_oversized_frames_and_counts_are_refused_before_they_are_held() -> None:
    with pytest.raises(wire.WireError, match="most"):
        wire.FrameReader(100).feed(b"\x00\x00\x01\x00")
    with pytest.raises(wire.WireError, match="most"):
        wire.decode(b"l\x00\x20\x00\x00" + b"N" * 0x200000)
    nested = b"l\x00\x00\x00\x01" * 50 + b"N"
    with pytest.raises(wire.WireError, match="deep"):
        wire.decode(nested)


# --- the host's end, with hostile or silent processes inside -----------------------------------


def talk(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[type[BaseException], list[str]]:
    """Call over a socket whose other end answers with these bytes, and then stays silent."""
    monkeypatch.setattr(channels, "SILENCE_S", 0.05)
    ours, theirs = socket.socketpair()
    stuck: list[str] = []
    channel = Channel(ours, lambda: stuck.append("stuck"))
    theirs.sendall(answer)
    caught: list[BaseException] = []

    def call() -> None:
        try:
            channel.call("ping")
        except BaseException as error:  # noqa: BLE001
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    channel.close()
    theirs.close()
    return type(caught[0]), stuck


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=1, max_size=60))
def test_garbage_never_hangs_or_crashes_the_host(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        error, stuck = talk(data, patch)
    assert error is WorkspaceError
    assert stuck == ["stuck"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xff\xff\xff",
        wire.encode({"id": 77, "ok": None}),
        wire.encode(["no", "dict"]),
        wire.encode({"id": "one"}),
        wire.encode({"id": 1, "ok": "x" * 100})[:-1],
        wire.encode({"id": 1}),
        wire.encode({"id": 1, "errno": "x"}),
    ],
)
def test_wrong_answers_and_silence(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert talk(answer, monkeypatch) == (WorkspaceError, ["stuck"])


def test_end_of_the_other_side() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours, lambda: None)
    theirs.close()
    with pytest.raises(WorkspaceGone):
        channel.call("ping")
    with pytest.raises(WorkspaceGone):
        channel.call("ping")


def test_requests_that_nobody_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "SILENCE_S", 0.05)
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(ours, lambda: None)
        with pytest.raises(WorkspaceError):
            channel.call("write", content=b"x" * 5_000_000)


def test_deadline_of_a_call() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(ours, lambda: None)
        with pytest.raises(WorkspaceError, match="in time"):
            channel.call("ping", within_s=0.05)
