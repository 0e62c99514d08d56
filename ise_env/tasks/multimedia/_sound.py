"""Recordings that are made of tones, in integers only: the same bytes on every machine.

Each tone is a triangle wave, whose RMS is its peak divided by the square root of three. A
sequence of tones says what was recorded when, and so whether an edit kept the right parts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ise_env.rewards.checks import Tone

RATE = 8_000
PITCHES = (220, 250, 285, 325, 370, 420, 480, 545, 620, 705, 800, 910)
"""In Hz, each far enough from the next to be told apart."""


@dataclass(frozen=True)
class Part:
    """A stretch of a recording."""

    ms: int
    hz: int
    """0: silence, with a hum of 50 Hz at `level`."""
    level: int = 8_000
    """Peak, of 32767."""


def silence(ms: int, hum: int = 0) -> Part:
    """Nothing, or what a microphone hears in a quiet room."""
    return Part(ms, 0, hum)


def samples(parts: Sequence[Part], rate: int = RATE) -> bytes:
    """16 bit samples of one channel."""
    return b"".join(_tone(part, rate) for part in parts)


def _tone(part: Part, rate: int) -> bytes:
    count = part.ms * rate // 1000
    quarter = 4 * (np.arange(count, dtype=np.int64) * (part.hz or 50) % rate)
    rising = np.minimum(quarter, 2 * rate - quarter)
    wave = np.maximum(rising, quarter - 4 * rate)
    return (wave * part.level // rate).astype("<i2").tobytes()


def stereo(left: bytes, right: bytes) -> bytes:
    """Two channels, interleaved."""
    pairs = np.stack([np.frombuffer(left, "<i2"), np.frombuffer(right, "<i2")], axis=1)
    return pairs.astype("<i2").tobytes()


def wav(data: bytes, rate: int = RATE, channels: int = 1, note: str = "") -> bytes:
    """A WAV file of 16 bit samples; a note goes into a LIST chunk before them."""
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    body = b"WAVE" + _chunk(b"fmt ", form)
    if note:
        text = note.encode() + b"\0" * (2 - len(note.encode()) % 2)
        body += _chunk(b"LIST", b"INFO" + _chunk(b"ICMT", text))
    return _chunk(b"RIFF", body + _chunk(b"data", data))


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def recording(parts: Sequence[Part], rate: int = RATE) -> bytes:
    """A WAV file of one channel."""
    return wav(samples(parts, rate), rate)


def seconds(parts: Sequence[Part]) -> float:
    """How long they are together."""
    return sum(part.ms for part in parts) / 1000


def heard(parts: Sequence[Part], start_s: float = 0.0) -> tuple[Tone, ...]:
    """What a check should hear; stretches too short to be told are left out."""
    tones, at = [], start_s
    for part in parts:
        if part.ms >= 150:
            tones.append(
                Tone(start_s=round(at, 3), end_s=round(at + part.ms / 1000, 3), hz=part.hz)
            )
        at += part.ms / 1000
    return tuple(tones)
