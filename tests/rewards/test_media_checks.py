"""Sound, speech, pictures and films: what is in a file decides, not what it is called."""

from __future__ import annotations

import contextlib
import io
import shutil
import wave
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.rewards import checks as c
from ise_env.rewards.checks.media_files import format_of, png_chunks, read_wav
from ise_env.rewards.evidence import Unmet
from ise_env.tasks.multimedia._picture import png, ppm, quarters

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng")


def square(hz: int, seconds: float, level: int, rate: int = 8_000) -> bytes:
    """A square wave: its RMS and its peak are its level."""
    half = rate // hz // 2
    return b"".join(
        (level if n // half % 2 else -level).to_bytes(2, "little", signed=True)
        for n in range(int(seconds * rate))
    )


def wav(samples: bytes, rate: int = 8_000, channels: int = 1) -> bytes:
    raw = io.BytesIO()
    with wave.open(raw, "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(samples)
    return raw.getvalue()


BEEPS = square(400, 0.5, 3277) + bytes(8_000) + square(800, 0.5, 3277)


def judged(evidence: Any, **fields: Any) -> str:
    """What a check says, or why it fails."""
    check = c.ANY_CHECK.validate_python({"id": "x", **fields})
    try:
        check.judge(evidence)
    except Unmet as unmet:
        return str(unmet)
    return ""


TONES = [
    {"start_s": 0, "end_s": 0.5, "hz": 400},
    {"start_s": 0.5, "end_s": 1, "hz": 0},
    {"start_s": 1, "end_s": 1.5, "hz": 800},
]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"duration_s": 1.5, "sample_rate": 8000, "channels": 1, "sample_bits": 16}, ""),
        ({"tones": TONES}, ""),
        ({"peak_dbfs": -20}, ""),
        ({"rms_dbfs": -21.76}, ""),
        ({"rms_dbfs": -20}, "-21.76 dBFS (RMS), not -20.00"),
        ({"duration_s": 1.6}, "1.50 seconds, not 1.60"),
        ({"channels": 2}, "channels is 1, not 2"),
        ({"tones": [{"start_s": 0, "end_s": 0.5, "hz": 500}]}, "Hz, not 500 Hz"),
        ({"tones": [{"start_s": 0, "end_s": 0.5, "hz": 0}]}, "not silence"),
        ({"tones": [{"start_s": 0.5, "end_s": 1, "hz": 500}]}, "silence, not a tone"),
        ({"tones": [{"start_s": 2, "end_s": 3, "hz": 500}]}, "there is nothing"),
        ({"samples_sha256": "0"}, "other samples"),
        ({"format": "mp3"}, "wav, not mp3"),
    ],
)
def test_sound(fields: dict[str, Any], complaint: str, left: Any) -> None:
    found = judged(left({"a.wav": wav(BEEPS)}), kind="sound", path="a.wav", **fields)
    assert complaint in found
    assert bool(found) == bool(complaint)


def test_a_header_that_does_not_fit_is_no_sound() -> None:
    good = wav(BEEPS)
    assert read_wav(good, "a").duration_s == 1.5
    for bad in (good[:-100], b"RIFF\0\0\0\0" + good[8:], good[:40] + b"\xff" * 4 + good[44:]):
        with pytest.raises(Unmet):
            read_wav(bad, "a")


@given(st.binary(max_size=200), st.sampled_from([b"", b"RIFF\x20\0\0\0WAVE", wav(b"ab")[:40]]))
def test_any_bytes_are_a_sound_or_are_not(data: bytes, start: bytes) -> None:
    with contextlib.suppress(Unmet):
        assert read_wav(start + data, "a").samples.ndim == 2


@given(st.binary(max_size=100))
def test_any_bytes_are_a_picture_or_are_not(data: bytes) -> None:
    with pytest.raises(Unmet):
        png_chunks(b"\x89PNG\r\n\x1a\n" + data, "a")
    assert format_of(data + b"x") != "png" or data.startswith(b"\x89PNG")


@needs_ffmpeg
def test_what_is_compressed_is_decoded_by_the_verifier(left: Any) -> None:
    red_over_blue = quarters(8, 8, [(255, 0, 0), (255, 0, 0), (0, 0, 255), (0, 0, 255)])
    picture = png(red_over_blue, texts=[("Author", "me")])
    evidence = left(
        {
            "a.wav": wav(BEEPS),
            "p.ppm": ppm(red_over_blue),
            "p.png": picture,
            "odd.mp3": "file,/etc/passwd",
        },
        "ffmpeg -v error -i a.wav -ar 22050 -ac 2 a.mp3; ffmpeg -v error -i a.wav a.flac; "
        "ffmpeg -v error -i p.ppm p.jpg; ffmpeg -v error -i p.ppm -pix_fmt pal8 pal.png; "
        "ffmpeg -v error -i p.ppm -pred mixed -pix_fmt rgb24 rgb.png; "
        "ffmpeg -v error -loop 1 -t 2 -i p.ppm -vf scale=32:32 -pix_fmt yuv420p f.mp4",
    )
    sound = {"kind": "sound", "tones": TONES, "duration_s": 1.5, "duration_tolerance": 0.1}
    assert not judged(evidence, **sound, path="a.mp3", format="mp3", sample_rate=22050, channels=2)
    assert not judged(evidence, **sound, path="a.flac", format="flac", sample_rate=8000)
    assert "no known format" in judged(evidence, **sound, path="odd.mp3", format="mp3")
    patches = [
        {"x": 0, "y": 0, "width": 8, "height": 4, "rgb": [255, 0, 0]},
        {"x": 0, "y": 4, "width": 8, "height": 4, "rgb": [0, 0, 255]},
    ]
    size = {"kind": "picture", "width": 8, "height": 8}
    for name in ("p.png", "pal.png", "rgb.png"):
        assert not judged(evidence, **size, path=name, format="png", patches=patches)
    assert not judged(evidence, **size, path="p.jpg", format="jpeg", patches=patches, tolerance=30)
    assert "png, not jpeg" in judged(evidence, **size, path="p.png", format="jpeg")
    assert "still has tEXt" in judged(evidence, **size, path="p.png", format="png", bare=True)
    assert "not (255" in judged(
        evidence, **size, path="p.png", format="png", patches=[{**patches[1], "rgb": [255, 0, 0]}]
    )
    film = {"kind": "film", "path": "f.mp4", "width": 32, "height": 32}
    assert not judged(evidence, **film, duration_s=2, frames=[{"at_s": 1, "rgb": [127, 0, 127]}])
    assert "2.00 seconds, not 3.00" in judged(evidence, **film, duration_s=3)


@needs_espeak
def test_speech_is_compared_with_the_verifier_s_own(left: Any) -> None:
    evidence = left(
        {"beep.wav": wav(BEEPS)},
        "espeak-ng -v en -s 150 -w a.wav 'Platform three. Mind the gap.'; "
        "espeak-ng -v en -s 150 -w b.wav 'The ferry leaves at half past nine today.'",
    )
    said = {"kind": "spoken", "text": "Platform three. Mind the gap.", "words_per_minute": 150}
    assert not judged(evidence, **said, path="a.wav")
    for other in ("b.wav", "beep.wav"):
        assert judged(evidence, **said, path=other)
    assert judged(evidence, **{**said, "words_per_minute": 220}, path="a.wav")
