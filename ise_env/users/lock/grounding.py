"""Concrete details and where they come from.

Paths, addresses, ids, figures, clock times, names of people and firms, how many of something a
machine holds: what the user says of these has to come from the request, the dialogue, or what is
seen. A detail of the person's own life may be made up where the turn declares it (`new_facts`).
"""

from __future__ import annotations

import re

from ise_env.users.digest import mentioned
from ise_env.users.lock.agency import lexicon
from ise_env.users.lock.scene import Scene
from ise_env.users.protocol import UserTurn

_ENTITY = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+\w|https?://\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{8}-[0-9a-f-]{12,}\b|\b(?=\w*\d)(?=\w*[a-f])[0-9a-f]{7,40}\b|\b[A-Z]{2,}-\d+\b"
    r"|\b[\w-]+(?:/[\w.-]+)+\b|(?<![\w.,-])[$€£]?\d[\d,]*(?:\.\d+)*(?:%|[kKmM]\b)?(?![\w/-])"
    r"|(?:[A-Za-z]:)?\\[\w\\.-]+|\b[a-z]+(?:_\w+)+\b"
    r"|\b(?!\d+(?:st|nd|rd|th|x|am|pm|h|s|min)\b)(?=[\w-]*\d)(?=[\w-]*[A-Za-z]{2})[\w-]*\w!?"
)
_TIME = re.compile(
    r"\bhour \d{1,2}\b|\b\d{1,2}(?::\d{2})?\s*(?:am|pm|o'clock)\b|\b\d{1,2}:\d{2}\b"
    r"|(?<![\w.,])\d{1,3} ?(?:min(?:ute)?s?|hours?"
    r"|hrs?|days?|weeks?|months?|years?|sec(?:ond)?s?)\b|(?<![\w.-])(?:19|20)\d\d(?![\w-])|\b100 ?%"
    r"|\b\d\d ?% (?:sure|certain|confident)\b",
    re.I,
)
_CLOCK = re.compile(r"(?<![\d:])\d{1,2}:\d{2}(?![\d:])")
_IDIOMS = frozenset(
    "and/or yes/no his/her he/she w/o n/a 24/7 either/or m8 gr8 l8r b4 2day 2moro w8 h8 str8 4u"
    " 2nite a4 mp3 mp4 utf8 utf-8".split()
)
_SAYS = r"(?:says|said|told|wants|insists|thinks)\b"
_NAME = re.compile(
    r"(?<=[a-z,] )[A-Z][a-zà-ÿ]+(?: [A-Z][a-zà-ÿ]+)?(?![\w.])"
    r"|(?:^|[.!?]\s+)(?!It\b|He\b|She\b|Nobody|Some|Every|Who|What|This\b|That\b|Which\b|One\b)"
    rf"([A-Z][a-z]+)(?= (?:(?:from|in|at) \w+ )?{_SAYS})"
)
_NUMERAL = "|".join(sorted(lexicon("numerals")))
_COUNTED = re.compile(
    rf"\b(\d|{_NUMERAL})(?: (?:more|of the|such|different|new|extra))?"
    rf" (?:\w+ )?({'|'.join(sorted(lexicon('counted')))})(?:e?s)?\b",
    re.I,
)
_SHARE = re.compile(rf"\b(?:{_NUMERAL}|\d+) (?:out )?of (?:the )?(?:{_NUMERAL}|\d+)\b", re.I)
_POINTED_AT = re.compile(
    r"\b(?:first|last|next|other|those|these|all|both|any|one or|maybe|or) $", re.I
)
_SHORT_FIGURE = re.compile(r"\d{1,9}")
_PLACE = re.compile(
    r"\b(?:row|line|page|day|week|number|chapter|section|not)s? (?:\d+(?:,| and| or|-) ?)*$", re.I
)
_TWO = re.compile(r"(?:two|2)\b", re.I)
_STANDARD = re.compile(r"(?:utf|iso|latin|cp|md|sha|base|mp|h|x|py(?:thon)?|rfc|rgb|win)-?\d{1,4}")
"""Names of formats and standards, which belong to everybody's language."""
_SMALL = "two three four five six seven eight nine ten eleven twelve".split()
_VALUES = {word: str(n) for n, word in enumerate(_SMALL, 2)}


def invented(turn: UserTurn, scene: Scene) -> tuple[list[str], list[str]]:
    """Details of a turn that come from nowhere: certainly so, and perhaps.

    People know more names than are seen here, tell two things apart that they look at, and speak
    of the row before and the day after.
    """
    certain = [e for e in entities(turn.message) if not _grounded(e, scene)]
    perhaps = [figure for figure in certain if _is_a_place(figure, turn.message, scene)]
    certain = [figure for figure in certain if figure not in perhaps]
    for counted in _counts(turn.message.replace("’", "'"), scene):
        (perhaps if _TWO.match(counted) else certain).append(counted)
    perhaps += _names(turn.message, scene)
    declared = " ".join(turn.new_facts).lower()
    return (
        [detail for detail in certain if detail.lower() not in declared],
        [detail for detail in perhaps if detail.lower() not in declared],
    )


def entities(message: str) -> list[str]:
    """Paths, addresses, ids, figures above nine, clock times; durations and years left out."""
    message = message.replace("’", "'")
    text = _TIME.sub(" ", message)
    found = [*mentioned(text), *_CLOCK.findall(message)]
    for match in _ENTITY.finditer(text):
        value = match.group().rstrip(".,;:")
        if not re.fullmatch(r"[$€£]?\d", value) and value.lower() not in _IDIOMS:
            found.append(value)
    return list(dict.fromkeys(found))


def _grounded(value: str, scene: Scene) -> bool:
    known = scene.known_lower
    lower = value.lower().strip("./!")
    if re.fullmatch(r"[$€£]?[\d.,]+%?[km]?", lower):
        figure = lower.strip("$€£%").replace(",", "")
        word = next((word for word, value in _VALUES.items() if value == figure), "")
        forms = {figure, figure.lstrip("0"), figure.rstrip("km")}
        return bool(forms & scene.figures) or (bool(word) and _says(known, word))
    if lower in known or value.lower() in known:
        return True
    if _STANDARD.fullmatch(lower):
        return True
    name = lower.rsplit("/", 1)[-1]
    if "/" in lower and not re.search(r"\.\w{1,5}$", name):
        # `logs/errors` may be two nouns of the conversation rather than a path.
        return all(part in known for part in lower.split("/"))
    return False


def _is_a_place(figure: str, message: str, scene: Scene) -> bool:
    """Whether it is the row, the day, the page before or after a known one, or ruled out."""
    if not _SHORT_FIGURE.fullmatch(figure):
        return False
    if not {str(int(figure) - 1), str(int(figure) + 1)} & scene.figures:
        return False
    return any(_PLACE.search(message[: m.start()]) for m in re.finditer(rf"\b{figure}\b", message))


def _names(message: str, scene: Scene) -> list[str]:
    """Names of people, firms and products, told by their capitals, that nobody has mentioned."""
    if not scene.english:
        return []  # German nouns, for one
    found = [(m.group(1) or m.group()).strip() for m in _NAME.finditer(message)]
    common = lexicon("common_names")
    return [
        name
        for name in found
        if any(
            not {p, p.removesuffix("s")} & common and p.removesuffix("s") not in scene.known_lower
            for p in name.lower().split()
        )
    ]


def _counts(text: str, scene: Scene) -> list[str]:
    """How many of something a machine holds, where nobody has said so or can count them."""
    found = []
    seen = max((len(head.splitlines()) for _, head in scene.digest.heads), default=0)
    for share in _SHARE.finditer(text):
        parts = re.findall(rf"\d+|\b(?:{_NUMERAL})\b", share.group().lower())
        if not all(part in scene.figures or _says(scene.known_lower, part) for part in parts):
            found.append(share.group())
    for match in _COUNTED.finditer(text):
        number, noun = match[1].lower(), match[2].lower()
        told = scene.is_known(noun) and _says(scene.known_lower, number)
        told = told or int(_VALUES.get(number, "99")) <= seen
        if number != "1" and not told and not _POINTED_AT.search(text[: match.start()]):
            found.append(match.group())
    return found


def _says(known: str, number: str) -> bool:
    return any(re.search(rf"\b{n}\b", known) for n in {number, _VALUES.get(number, number)})
