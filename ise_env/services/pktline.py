"""The lines of git's wire protocol, as far as a server looks into pushes.

Format after gitprotocol-common(5) and gitprotocol-pack(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

FLUSH = b"0000"
ZERO = "0" * 40
_MOST = 65_515
"""Bytes of content of one line."""
_COMMAND = re.compile(r"([0-9a-f]{40}) ([0-9a-f]{40}) (refs/[\x21-\x7e]{1,500})")
_REPORT, _PROGRESS = 1, 2


@dataclass(frozen=True)
class Command:
    """A ref that a push wants to change; `ZERO` stands for none."""

    old: str
    new: str
    ref: str


class Malformed(Exception):
    """Not what git sends."""


def line(content: bytes) -> bytes:
    """One line with its length."""
    return b"%04x" % (len(content) + 4) + content


def commands(body: bytes) -> tuple[list[Command], bool]:
    """What a push asks for, and whether the client takes a side band.

    Raises:
        Malformed: It is no push.
    """
    found, capabilities = [], b""
    for content in _lines(body):
        text, _, more = content.partition(b"\0")
        capabilities = capabilities or more
        if text.startswith((b"shallow ", b"push-cert")):
            continue
        match = _COMMAND.fullmatch(text.decode("utf-8", "replace").rstrip("\n"))
        if match is None:
            raise Malformed("not a push")
        found.append(Command(*match.groups()))
    return found, b"side-band-64k" in capabilities.split()


def _lines(body: bytes) -> Iterator[bytes]:
    """The lines before the first flush."""
    at = 0
    while True:
        head = body[at : at + 4]
        if not re.fullmatch(rb"[0-9a-f]{4}", head):
            raise Malformed("not git's lines")
        length = int(head, 16)
        if length == 0:
            return
        if length < 4 or at + length > len(body):
            raise Malformed("not git's lines")
        yield body[at + 4 : at + length]
        at += length


def report(asked: Sequence[Command], refused: Mapping[str, str], told: Sequence[str]) -> bytes:
    """The answer to a push over a side band: what became of each ref, and a few words."""
    status = line(b"unpack ok\n")
    for command in asked:
        why = refused.get(command.ref)
        text = f"ng {command.ref} {why}\n" if why else f"ok {command.ref}\n"
        status += line(text.encode())
    status += FLUSH
    words = "".join(f"{_plain(text)}\n" for text in told).encode()[: _MOST - 1]
    packets = [bytes([_PROGRESS]) + words] if words else []
    packets += [bytes([_REPORT]) + status[at : at + _MOST] for at in range(0, len(status), _MOST)]
    return b"".join(map(line, packets)) + FLUSH


def _plain(text: str) -> str:
    """Text without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)[:200]
