"""tts: real speech, where espeak-ng is installed."""

import io
import shutil
import wave

import pytest

from ise_env.tools.registry import get, resolve

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"
)


@pytest.fixture
def speak(fresh_call):
    fresh_call.tools = resolve(["exec", "tts"])
    return fresh_call


@needs_espeak
@pytest.mark.parametrize(
    "text", ["The berth is free at seven.", "泊位七点空闲。", "-x --help $(id)"]
)
def test_it_writes_sound(speak, text):
    answer = speak.text("tts", text=text)
    assert answer == "Generated audio reply.\nMEDIA:media/tts/voice-1.wav"
    with wave.open(io.BytesIO(speak.workspace.read("media/tts/voice-1.wav"))) as sound:
        assert sound.getnframes() / sound.getframerate() > 0.3


@needs_espeak
def test_every_call_has_a_file_of_its_own(speak):
    speak.text("tts", text="one")
    assert speak.text("tts", text="two").endswith("voice-2.wav")
    assert speak.text("exec", command="ls media/tts").split() == ["voice-1.wav", "voice-2.wav"]


@needs_espeak
def test_what_lies_in_the_way_is_an_error(speak):
    speak.text("exec", command="mkdir -p media && echo x > media/tts")
    message, kind = speak.error("tts", text="one")
    assert kind == "program_failed"
    assert "exit code" in message


def test_nothing_to_say(speak):
    assert speak.error("tts", text="  ")[1] == "bad_arguments"


def test_a_missing_program_is_named(speak):
    if not get("tts").missing(speak.context):
        pytest.skip("espeak-ng is installed, so nothing is missing")
    message, kind = speak.error("tts", text="x")
    assert kind == "unavailable"
    assert "package espeak-ng" in message


@needs_espeak
def test_a_workspace_that_cannot_be_entered_is_the_agents_doing(speak):
    speak.text("exec", command="chmod 000 /workspace")
    assert speak("tts", text="one").outcome.status == "tool_error"
