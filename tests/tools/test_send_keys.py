"""Key names to bytes, against what a terminal really sends (xterm's control sequences)."""

import pytest

from ise_env.tools.keys import encode_hex, encode_keys, encode_paste


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        (["C-c"], "\x03"),
        (["c-d"], "\x04"),
        (["^C"], "\x03"),
        (["C-?"], "\x7f"),
        (["Enter"], "\r"),
        (["h", "i", "Enter"], "hi\r"),
        (["Up"], "\x1b[A"),
        (["C-Left"], "\x1b[1;5D"),
        (["M-x"], "\x1bx"),
        (["C-M-c"], "\x1b\x03"),
        (["S-a"], "A"),
        (["S-Tab"], "\x1b[Z"),
        (["F1"], "\x1bOP"),
        (["C-F1"], "\x1b[1;5P"),
        (["F12"], "\x1b[24~"),
        (["PPage", "Delete", "Home", "End"], "\x1b[5~\x1b[3~\x1b[1~\x1b[4~"),
        (["S-Delete"], "\x1b[3;2~"),
        (["Escape", ":wq"], "\x1b:wq"),
        (["Space", "BSpace", ""], " \x7f"),
    ],
)
def test_keys(keys, sent):
    assert encode_keys(keys) == (sent, [])


def test_an_unknown_key_with_a_modifier_is_sent_and_mentioned():
    assert encode_keys(["C-nonsense"]) == (
        "nonsense",
        ['Unknown key "nonsense" for modifiers; sending literal.'],
    )


def test_hex():
    assert encode_hex(["1b", "0x5B", "a", "zz", "123"]) == (
        b"\x1b\x5b\x0a",
        ["Invalid hex byte: zz", "Invalid hex byte: 123"],
    )


def test_paste():
    assert encode_paste("a\nb", True) == "\x1b[200~a\nb\x1b[201~"
    assert encode_paste("a\nb", False) == "a\nb"
