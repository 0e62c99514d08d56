"""tts: speak a text, with espeak-ng inside the workspace."""

from __future__ import annotations

import re

from pydantic import Field

from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.paths import absolute, file_failure
from ise_env.tools.registry import tool
from ise_env.workspaces.protocol import Completed

FOLDER = "media/tts"
MAX_CHARS = 4_096
TIMEOUT_S = 60.0
PROGRAM = "/usr/bin/espeak-ng"
_NOT_INSTALLED = (
    "espeak-ng is not installed in the workspace (package espeak-ng on Debian, Ubuntu, Fedora)"
)
_CHINESE = re.compile("[\u3400-\u9fff]")
_NOT_FOUND = 127


def _missing(context: ToolContext) -> str:
    try:
        context.workspace.stat(PROGRAM)
    except OSError:
        return _NOT_INSTALLED
    return ""


class TtsParams(Params):
    """Parameters of `tts`."""

    text: str = Field(min_length=1, max_length=MAX_CHARS, description="What to say.")
    channel: str | None = Field(
        None, description="Where it will be played; the file is WAV for every channel."
    )


@tool(
    "tts",
    "Turn text into speech: writes a WAV file below media/tts/ in the workspace and says which.",
    needs="espeak-ng in the workspace",
    missing=_missing,
)
def tts(p: TtsParams, context: ToolContext) -> ToolResult:
    """Speak a text; see `TtsParams`.

    Raises:
        ToolFailure: espeak-ng is missing, or it wrote nothing.
    """
    spoken = p.text.strip()
    if not spoken:
        raise ToolFailure("text is empty: there is nothing to say", error="bad_arguments")
    number = context.state.get("tts", 0) + 1
    path = f"{FOLDER}/voice-{number}.wav"
    voice = "cmn" if _CHINESE.search(spoken) else "en"
    script = f'mkdir -p {FOLDER} && exec espeak-ng -v {voice} -w "$1" --stdin'
    try:
        done = context.workspace.run(
            ["sh", "-c", script, "tts", path], stdin=spoken.encode(), timeout_s=TIMEOUT_S
        )
        if not isinstance(done, Completed) or done.exit_code != 0:
            raise _failure(done if isinstance(done, Completed) else None)
        size = context.workspace.stat(path).size
    except OSError as error:
        raise file_failure(error, "open", absolute(path)) from error
    if not size:
        raise ToolFailure("espeak-ng wrote no sound", error="no_output")
    context.state["tts"] = number
    return ToolResult(
        f"Generated audio reply.\nMEDIA:{path}",
        Outcome(status="ok", duration_s=done.duration_s, exit_code=0),
    )


def _failure(done: Completed | None) -> ToolFailure:
    if done is None or done.timed_out:
        return ToolFailure(
            f"espeak-ng did not end within {TIMEOUT_S:g} seconds", error="timeout", status="timeout"
        )
    if done.exit_code == _NOT_FOUND:
        return ToolFailure(_NOT_INSTALLED, error="unavailable")
    said = done.output.decode("utf-8", "replace").strip()[-300:] or "no output"
    return ToolFailure(
        f"espeak-ng failed with exit code {done.exit_code}: {said}",
        error="program_failed",
        exit_code=done.exit_code,
    )
