"""Key names, as `process send-keys` takes them, to the bytes a terminal would send.

Names and notation are tmux's (`C-c`, `M-x`, `Up`, `PPage`, `^D`); sequences are xterm's, see
"Xterm Control Sequences", section "PC-Style Function Keys".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ESC = "\x1b"
_NAMED = {
    "enter": "\r",
    "return": "\r",
    "tab": "\t",
    "btab": f"{_ESC}[Z",
    "escape": _ESC,
    "esc": _ESC,
    "space": " ",
    "bspace": "\x7f",
    "backspace": "\x7f",
}
_ARROWS = {"up": "A", "down": "B", "right": "C", "left": "D"}
_NUMBERED = {
    **dict.fromkeys(("home",), 1),
    **dict.fromkeys(("insert", "ic"), 2),
    **dict.fromkeys(("delete", "del", "dc"), 3),
    **dict.fromkeys(("end",), 4),
    **dict.fromkeys(("pageup", "pgup", "ppage"), 5),
    **dict.fromkeys(("pagedown", "pgdn", "npage"), 6),
    **dict(zip((f"f{n}" for n in range(5, 13)), (15, 17, 18, 19, 20, 21, 23, 24), strict=True)),
}
_FIRST_FUNCTION_KEYS = dict(zip(("f1", "f2", "f3", "f4"), "PQRS", strict=True))
_MODIFIER = {"s": 1, "m": 2, "c": 4}
"""Bits of xterm's modifier parameter, which is one more than their sum."""


def encode_keys(keys: Iterable[str]) -> tuple[str, list[str]]:
    """Return what to send for a list of key names, and what was odd about them.

    A word that names no key is sent as it is, as tmux does.
    """
    sent, warnings = [], []
    for key in keys:
        encoded, warning = _encode(key.strip())
        sent.append(encoded)
        if warning:
            warnings.append(warning)
    return "".join(sent), warnings


def encode_hex(pairs: Iterable[str]) -> tuple[bytes, list[str]]:
    """Return the bytes of a list of hexadecimal pairs, and the entries that are none."""
    data, warnings = bytearray(), []
    for pair in pairs:
        match = re.fullmatch(r"(?:0[xX])?([0-9a-fA-F]{1,2})", pair.strip())
        if match:
            data.append(int(match[1], 16))
        else:
            warnings.append(f"Invalid hex byte: {pair}")
    return bytes(data), warnings


def encode_paste(text: str, bracketed: bool) -> str:
    """Return a paste as a terminal sends it, marked as a paste when `bracketed`."""
    return f"{_ESC}[200~{text}{_ESC}[201~" if bracketed else text


def _encode(key: str) -> tuple[str, str]:
    if len(key) == 2 and key[0] == "^":
        return _control(key[1]), ""
    modifiers, base = _modifiers(key)
    name = base.lower()
    parameter = 1 + sum(_MODIFIER[each] for each in modifiers)
    if name in _ARROWS:
        return f"{_ESC}[{f'1;{parameter}' if modifiers else ''}{_ARROWS[name]}", ""
    if name in _NUMBERED:
        return f"{_ESC}[{_NUMBERED[name]}{f';{parameter}' if modifiers else ''}~", ""
    if name in _FIRST_FUNCTION_KEYS:
        lead = f"[1;{parameter}" if modifiers else "O"
        return f"{_ESC}{lead}{_FIRST_FUNCTION_KEYS[name]}", ""
    if name == "tab" and "s" in modifiers:
        return _NAMED["btab"], ""
    alt = _ESC if "m" in modifiers else ""
    if name in _NAMED:
        return alt + _NAMED[name], ""
    if len(base) == 1:
        base = base.upper() if "s" in modifiers else base
        return alt + (_control(base) if "c" in modifiers else base), ""
    odd = f'Unknown key "{base}" for modifiers; sending literal.' if modifiers else ""
    return base, odd


def _modifiers(key: str) -> tuple[set[str], str]:
    modifiers: set[str] = set()
    while len(key) > 2 and key[1] == "-" and key[0].lower() in _MODIFIER:
        modifiers.add(key[0].lower())
        key = key[2:]
    return modifiers, key


def _control(char: str) -> str:
    if char == "?":
        return "\x7f"
    code = ord(char.upper())
    return chr(code & 0x1F) if 64 <= code <= 95 else char
