"""Sound, speech, pictures and films, judged by what is in the file.

WAV files and plain PNG files are read here; what is compressed is decoded by ffmpeg in the
verifier's own sandbox, told by its first bytes which format it is, so that no playlist in
disguise is followed. Nothing that the agent says of a file, tags included, counts.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from ise_env.errors import VerifierError
from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.checks.media_files import (
    BARE_PNG,
    SOUND_RATE,
    Pcm,
    format_of,
    png_chunks,
    png_pixels,
    png_size,
    read_wav,
)
from ise_env.rewards.evidence import Evidence, Unmet, excerpt

MAX_PIXELS = 120_000
"""A sandbox hands out 400 kB of output whole; three bytes a pixel."""
SILENT_DBFS = -50.0

Rgb = tuple[int, int, int]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tone(_Part):
    """A stretch of a recording: a tone of that pitch, or silence."""

    start_s: float
    end_s: float
    hz: float = Field(description="0: silence.")


class Patch(_Part):
    """A rectangle of a picture, in pixels, and its mean colour."""

    x: int
    y: int
    width: int
    height: int
    rgb: Rgb


class Frame(_Part):
    """The mean colour of a film's picture at a time."""

    at_s: float
    rgb: Rgb


class Sound(Kind):
    """A recording has a format, a length, a level, and certain tones at certain times.

    Levels and bits per sample are those of WAV files; of compressed ones the rest is judged.
    dBFS are relative to a full-scale square wave: `20 log10(level / 32768)`.
    """

    kind: Literal["sound"] = "sound"
    path: str
    format: Literal["wav", "flac", "mp3", "ogg"] = "wav"
    duration_s: float | None = None
    duration_tolerance: float = 0.03
    sample_rate: int | None = None
    channels: int | None = None
    sample_bits: int | None = None
    rms_dbfs: float | None = None
    peak_dbfs: float | None = None
    level_tolerance: float = 0.3
    tones: tuple[Tone, ...] = ()
    hz_tolerance: float = Field(default=0.04, description="As a share.")
    samples_sha256: str | None = Field(default=None, description="Of the bytes of the samples.")

    def judge(self, evidence: Evidence) -> str:
        """Read, or decode, and compare."""
        data = evidence.read(self.path)
        found = format_of(data)
        if found != self.format:
            raise Unmet(f"{self.path}: {found or 'no known format'}, not {self.format}")
        if found == "wav":
            pcm = read_wav(data, self.path)
            self._levels(pcm)
        else:
            pcm = _decoded(evidence, self.path, found)
        for name in ("sample_rate", "channels"):
            wanted, value = getattr(self, name), getattr(pcm, name)
            if wanted is not None and wanted != value:
                raise Unmet(f"{self.path}: {name} is {value}, not {wanted}")
        if self.duration_s is not None:
            _near(pcm.duration_s, self.duration_s, self.duration_tolerance, self.path, "seconds")
        for tone in self.tones:
            self._tone(pcm, tone)
        return (
            f"{self.path}: {self.format}, {pcm.duration_s:.2f} s, {pcm.sample_rate} Hz, "
            f"{pcm.channels} channels"
        )

    def _levels(self, pcm: Pcm) -> None:
        if self.sample_bits is not None and pcm.bits != self.sample_bits:
            raise Unmet(f"{self.path}: {pcm.bits} bits a sample, not {self.sample_bits}")
        if self.samples_sha256 not in (None, hashlib.sha256(pcm.raw).hexdigest()):
            raise Unmet(f"{self.path}: other samples")
        if self.rms_dbfs is not None:
            found = dbfs(float(np.sqrt(np.mean(pcm.samples**2))) if pcm.samples.size else 0.0)
            _near(found, self.rms_dbfs, self.level_tolerance, self.path, "dBFS (RMS)")
        if self.peak_dbfs is not None:
            found = dbfs(float(np.abs(pcm.samples).max(initial=0.0)))
            _near(found, self.peak_dbfs, self.level_tolerance, self.path, "dBFS (peak)")

    def _tone(self, pcm: Pcm, tone: Tone) -> None:
        """Look at the middle of a stretch: edges may be off by what the duration may."""
        edge = min(0.2 * (tone.end_s - tone.start_s), 0.1)
        first = int((tone.start_s + edge) * pcm.rate)
        part = pcm.mono[first : int((tone.end_s - edge) * pcm.rate)]
        where = f"{self.path} at {tone.start_s:.2f} s"
        if part.size < 16:
            raise Unmet(f"{where}: there is nothing")
        level = dbfs(float(np.sqrt(np.mean(part**2))))
        if tone.hz == 0 and level > SILENT_DBFS:
            raise Unmet(f"{where}: sound of {level:.0f} dBFS, not silence")
        if tone.hz == 0:
            return
        if level <= SILENT_DBFS:
            raise Unmet(f"{where}: silence, not a tone of {tone.hz:g} Hz")
        crossings = int(np.count_nonzero(np.diff(np.signbit(part))))
        found = crossings / 2 / (part.size / pcm.rate)
        # A crossing more or less at the ends is no other pitch.
        slack = self.hz_tolerance * tone.hz + pcm.rate / part.size
        if abs(found - tone.hz) > slack:
            raise Unmet(f"{where}: a tone of {found:.0f} Hz, not {tone.hz:g} Hz")


class Spoken(Kind):
    """A WAV file is what espeak-ng says for a text, in that voice at that speed.

    The verifier speaks the text itself and compares length and loudness over time.
    """

    kind: Literal["spoken"] = "spoken"
    path: str
    text: str
    voice: str = "en"
    words_per_minute: int = 175
    from_s: float = Field(default=0.0, description="Where in the file the speech begins.")
    agreement: float = Field(default=0.97, description="Least correlation of the two envelopes.")

    def judge(self, evidence: Evidence) -> str:
        """Speak, and compare."""
        heard = read_wav(evidence.read(self.path), self.path)
        argv = ["espeak-ng", "-v", self.voice, "-s", str(self.words_per_minute), "--stdout"]
        done = evidence.run([*argv, "--stdin"], stdin=self.text.encode())
        if done.exit_code != 0 or done.omitted or not done.output:
            raise VerifierError(f"espeak-ng could not speak: {excerpt(done.stderr.decode())}")
        spoken = read_wav(done.output, "the verifier's own speech", streamed=True)
        part = heard.mono[int(self.from_s * heard.rate) :]
        left, right = _envelope(part, heard.rate), _envelope(spoken.mono, spoken.rate)
        if self.from_s == 0.0:
            _near(len(left) / 20, len(right) / 20, 0.15, self.path, "seconds of speech")
        size = min(len(left), len(right))
        if size < 4 or len(left) < len(right) - 3:
            raise Unmet(f"{self.path}: too short to say “{excerpt(self.text, 60)}”")
        if not left[:size].any():
            raise Unmet(f"{self.path}: silence")
        agreement = float(np.corrcoef(left[:size], right[:size])[0, 1])
        if not agreement >= self.agreement:
            raise Unmet(
                f"{self.path}: does not sound like “{excerpt(self.text, 60)}” "
                f"({self.voice}, {self.words_per_minute} words a minute)"
            )
        return f"{self.path}: says “{excerpt(self.text, 60)}”"


class Picture(Kind):
    """A picture has a format, a size, colours in certain places, and nothing written into it."""

    kind: Literal["picture"] = "picture"
    path: str
    format: Literal["png", "ppm", "jpeg", "bmp", "gif", "webp"]
    width: int
    height: int
    patches: tuple[Patch, ...] = ()
    tolerance: int = Field(default=12, description="Of each channel of a patch, 0 to 255.")
    pixels_sha256: str | None = Field(default=None, description="Of its RGB bytes, row by row.")
    bare: bool = Field(default=False, description="PNG: no texts, no Exif, no time.")

    def judge(self, evidence: Evidence) -> str:
        """Look at the bytes, then at the decoded pixels."""
        data = evidence.read(self.path)
        found = format_of(data)
        if found != self.format:
            raise Unmet(f"{self.path}: {found or 'no known format'}, not {self.format}")
        if self.bare:
            extra = sorted(set(png_chunks(data, self.path)) - BARE_PNG)
            if extra:
                raise Unmet(f"{self.path}: still has {', '.join(extra)}")
        own = found == "png"
        width, height = png_size(data) if own else _size(evidence, self.path, found)
        if (width, height) != (self.width, self.height):
            raise Unmet(f"{self.path}: {width}x{height}, not {self.width}x{self.height}")
        pixels = png_pixels(data, self.path) if own else None
        if self.patches or self.pixels_sha256:
            if pixels is None:
                pixels = _pixels(evidence, self.path, found, width, height)
            self._colours(pixels)
        return f"{self.path}: {self.format}, {width}x{height}"

    def _colours(self, pixels: npt.NDArray[np.uint8]) -> None:
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        if self.pixels_sha256 not in (None, digest):
            raise Unmet(f"{self.path}: other pixels")
        for patch in self.patches:
            part = pixels[patch.y : patch.y + patch.height, patch.x : patch.x + patch.width]
            mean = part.reshape(-1, 3).mean(axis=0)
            if np.abs(mean - np.array(patch.rgb)).max() > self.tolerance:
                shown = tuple(round(value) for value in mean)
                raise Unmet(f"{self.path} at {patch.x},{patch.y}: {shown}, not {patch.rgb}")


class Film(Kind):
    """A film has a container, a size, a length, and shows certain colours at certain times."""

    kind: Literal["film"] = "film"
    path: str
    format: Literal["mp4", "webm"] = "mp4"
    width: int
    height: int
    duration_s: float
    duration_tolerance: float = 0.2
    frames: tuple[Frame, ...] = ()
    tolerance: int = 25

    def judge(self, evidence: Evidence) -> str:
        """Probe, then decode the frames in question."""
        found = format_of(evidence.read(self.path))
        if found != self.format:
            raise Unmet(f"{self.path}: {found or 'no known format'}, not {self.format}")
        width, height = _size(evidence, self.path, found)
        if (width, height) != (self.width, self.height):
            raise Unmet(f"{self.path}: {width}x{height}, not {self.width}x{self.height}")
        probed = _probe(evidence, self.path, found)
        length = float(probed.get("format", {}).get("duration", 0))
        _near(length, self.duration_s, self.duration_tolerance, self.path, "seconds")
        for frame in self.frames:
            seen = _ffmpeg(
                evidence, self.path, found, f"-ss {frame.at_s} -i", "-frames:v 1 -vf scale=1:1"
            )
            if len(seen) != 3 or any(
                abs(a - b) > self.tolerance for a, b in zip(seen, frame.rgb, strict=True)
            ):
                raise Unmet(f"{self.path} at {frame.at_s:g} s: {tuple(seen)}, not {frame.rgb}")
        return f"{self.path}: {self.format}, {width}x{height}, {length:.2f} s"


def dbfs(level: float) -> float:
    """Decibels relative to full scale, of a level between 0 and 1; -120 for nothing."""
    return 20 * float(np.log10(max(level, 1e-6)))


_DEMUXERS = {
    "png": "png_pipe",
    "ppm": "ppm_pipe",
    "jpeg": "jpeg_pipe",
    "bmp": "bmp_pipe",
    "gif": "gif",
    "webp": "webp_pipe",
    "flac": "flac",
    "mp3": "mp3",
    "ogg": "ogg",
    "mp4": "mov",
    "webm": "matroska",
}
"""ffmpeg's names of what reads a format."""


def _near(found: float, wanted: float, tolerance: float, path: str, unit: str) -> None:
    if not abs(found - wanted) <= tolerance:
        raise Unmet(f"{path}: {found:.2f} {unit}, not {wanted:.2f}")


def _run(evidence: Evidence, argv: list[str], path: str) -> bytes:
    done = evidence.run(argv, timeout_s=30.0)
    if done.exit_code == 127:
        raise VerifierError(f"{argv[0]}: not found in the verifier's sandbox (package ffmpeg)")
    if done.exit_code != 0 or done.omitted:
        raise Unmet(f"{path}: cannot be decoded: {excerpt(done.stderr.decode('utf-8', 'replace'))}")
    return done.output


def _probe(evidence: Evidence, path: str, format: str) -> dict[str, dict[str, str]]:
    argv = ["ffprobe", "-v", "error", "-protocol_whitelist", "file", "-f", _DEMUXERS[format]]
    wanted = "stream=width,height,sample_rate,channels:format=duration"
    said = _run(evidence, [*argv, "-show_entries", wanted, "-of", "json", f"file:{path}"], path)
    value = json.loads(said)
    streams = value.get("streams") or [{}]
    return {"stream": streams[0], "format": value.get("format", {})}


def _ffmpeg(evidence: Evidence, path: str, format: str, before: str, after: str) -> bytes:
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe"]
    argv += ["-f", _DEMUXERS[format], *before.split(), f"file:{path}", *after.split()]
    return _run(evidence, [*argv, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], path)


def _size(evidence: Evidence, path: str, format: str) -> tuple[int, int]:
    stream = _probe(evidence, path, format)["stream"]
    return int(stream.get("width", 0)), int(stream.get("height", 0))


def _pixels(
    evidence: Evidence, path: str, format: str, width: int, height: int
) -> npt.NDArray[np.uint8]:
    if width * height > MAX_PIXELS:
        raise VerifierError(f"{path}: a check of pixels is for at most {MAX_PIXELS} of them")
    raw = _ffmpeg(evidence, path, format, "-i", "-frames:v 1")
    if len(raw) != width * height * 3:
        raise Unmet(f"{path}: no whole picture")
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3)


def _decoded(evidence: Evidence, path: str, format: str) -> Pcm:
    probed = _probe(evidence, path, format)
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-f"]
    argv += [_DEMUXERS[format], "-i", f"file:{path}", "-map", "0:a:0", "-ac", "1"]
    raw = _run(evidence, [*argv, "-ar", str(SOUND_RATE), "-f", "s16le", "pipe:1"], path)
    samples = np.frombuffer(raw, "<i2").astype(np.float64).reshape(-1, 1) / 32768
    stream = probed["stream"]
    return Pcm(
        samples,
        SOUND_RATE,
        16,
        raw,
        sample_rate=int(stream.get("sample_rate", 0)),
        channels=int(stream.get("channels", 0)),
    )


def _envelope(mono: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    """Loudness in windows of 50 ms."""
    window = rate // 20
    whole = mono[: len(mono) // window * window].reshape(-1, window)
    loud: npt.NDArray[np.float64] = np.sqrt(np.mean(whole**2, axis=1))
    return loud
