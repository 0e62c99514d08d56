"""What the classifier of the role lock looks at: how a message is made, not what it is about.

What is the user's by right (the step, its name, its values, an answer), every path and whatever
the scene speaks of already are taken out first and leave a mark, so that the words that remain
are those of a manner of speaking, or come from elsewhere.
Then runs of words, of characters within words, and of word shapes (`I` + `x-ed` + `the`), sentence
by sentence, hashed. The act that the turn is planned to be comes along with every word.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ise_env.users.digest import mentioned
from ise_env.users.lock.agency import lexicon, owned, sentences
from ise_env.users.lock.scene import Scene, without

BINS = 1 << 18
_ADDRESS = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}\.\w+|https?://\S+")
_TOKEN = re.compile(r"«\w»|[^\W\d_]+(?:'[^\W\d_]+)*|\d[\d.,:]*|[^\w\s]")
_WORD = re.compile(r"(?<!«)[^\W\d_]+(?:'[^\W\d_]+)*")
_SUFFIXES = ("ing", "ed", "ly", "tion", "s")

Bins = NDArray[np.uint32]


def masked(message: str, scene: Scene) -> str:
    """The message with marks in place of what belongs to the task rather than to the speaker."""
    goal = scene.goal
    text = message.replace("’", "'")
    for mark, pieces in (
        ("r", [goal.request]),
        ("a", [scene.answer]),
        ("o", [scene.context]),
        ("h", _sayings(scene)),
        ("l", [goal.label, goal.label.removeprefix("the ")]),
    ):
        text = without(text, pieces).replace(" … ", f" «{mark}» ")
    text = _ADDRESS.sub(" «p» ", text)
    for path in sorted(mentioned(text), key=len, reverse=True):
        text = text.replace(path, " «p» ")
    text = without(text, [fact.value for fact in goal.facts]).replace(" … ", " «v» ")
    return _WORD.sub(lambda found: _unless_known(found.group(), scene), text)


def _sayings(scene: Scene) -> list[str]:
    """The assistant's sentences, without those that anybody would say."""
    said = "\n".join([scene.digest.agent_text, *scene.heard[-3:]])
    return [s.rstrip(".!?") for s in sentences(said) if len(s.split()) > 3]


def _unless_known(word: str, scene: Scene) -> str:
    """A word that carries meaning, or a mark and its ending where it was used before."""
    lower = word.lower()
    if len(lower) < 4 or lower in lexicon("small") or lower[:6] not in scene.known_stems:
        return word
    ending = next((s for s in _SUFFIXES if lower.endswith(s)), "")
    return f"«k» {ending}".rstrip()


def wording(text: str) -> Bins:
    """Bins of a masked message, whoever says it when; sorted, each once."""
    found: set[str] = set()
    for sentence in sentences(text) or [text]:
        tokens = _tokens(sentence)
        found.update(_runs("w", tokens, (1, 2, 3)))
        found.update(_runs("s", [_shape(token) for token in tokens], (2, 3, 4)))
        for token in tokens:
            if len(token) > 3 and token[0].isalpha():
                found.update(_runs("c", f"<{token}>", (3, 4, 5)))
    return _bins(found)


def setting(text: str, scene: Scene) -> Bins:
    """Bins of how a masked message fits its act; sorted, each once."""
    tokens = _tokens(text)
    act = scene.act
    found = {f"a:{act}:{token}" for token in tokens}
    found |= {f"act:{act}", f"ask:{act}:{'?' in tokens}", f"end:{act}:{tokens[-1:] == ['?']}"}
    if scene.move is not None:
        found.add(f"move:{act}:{scene.move.kind}")
    return _bins(found)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _runs(kind: str, items: list[str] | str, sizes: Iterable[int]) -> Iterator[str]:
    line = items if isinstance(items, str) else ["^", *items, "$"]
    joint = "" if isinstance(items, str) else " "
    for size in sizes:
        for i in range(len(line) - size + 1):
            yield f"{kind}{size}:{joint.join(line[i : i + size])}"


def _shape(token: str) -> str:
    """A small word as it is; of any other its ending, and whether users do such a thing."""
    if not token[0].isalpha() or token in lexicon("small"):
        return "#" if token[0].isdigit() else token
    kind = "o" if owned(token) else "x"
    ending = next((s for s in _SUFFIXES if token.endswith(s) and len(token) > len(s) + 2), "")
    return f"{kind}-{ending}"


def _bins(found: Iterable[str]) -> Bins:
    return np.unique(
        np.fromiter((zlib.crc32(text.encode()) % BINS for text in found), dtype=np.uint32)
    )
