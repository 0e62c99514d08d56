"""Which language a short text is in, as far as that is certain: by script, then by small words.

Not a general language identifier: it only has to notice that a turn leaves the language of
the conversation, and must stay silent whenever it cannot tell.
"""

from __future__ import annotations

import functools
import re
import tomllib
from importlib import resources

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_LETTERS = re.compile(r"[^\W\d_]")
_LATIN_WORD = re.compile(r"[a-zà-öø-ÿā-ž]+(?:'[a-z]+)?")


@functools.cache
def _small_words() -> dict[str, frozenset[str]]:
    text = resources.files("ise_env.users").joinpath("data/small_words.toml").read_text("utf-8")
    return {language: frozenset(found) for language, found in tomllib.loads(text).items()}


def language_of(text: str) -> str:
    """The language of a text, or '' when that is uncertain (too short, names, a mixture)."""
    letters = len(_LETTERS.findall(text))
    if letters < 2:
        return ""
    for language, script in _SCRIPTS:
        if len(script.findall(text)) * 3 > letters:
            return language
    found = _LATIN_WORD.findall(text.lower().replace("’", "'"))
    votes = {
        language: sum(word in small for word in found) for language, small in _small_words().items()
    }
    ranked = sorted(votes, key=lambda language: -votes[language])
    first, second = votes[ranked[0]], votes[ranked[1]]
    certain = first >= 3 and first >= 2 * second and first * 6 >= len(found)
    return ranked[0] if certain else ""
