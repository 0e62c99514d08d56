"""What the agent's last message does: it asked, claimed, promised, reported an error, ...

Reads frames (who does what to whom), not single words, and looks at the agent's text only. A
text in a language without frames here still yields `asked` for a final question mark, and
`said` otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

MoveKind = Literal[
    "silent", "asked", "asked_to_confirm", "claimed_done", "reported_error", "declined", "partial",
    "promised", "said",
]  # fmt: skip


@dataclass(frozen=True)
class AgentMove:
    """One message of the agent, classified."""

    kind: MoveKind
    question: str = ""
    """The sentence that asks, for `asked` and `asked_to_confirm`."""

    @property
    def waits(self) -> bool:
        """Whether the agent expects words from the user before it goes on."""
        return self.kind in ("asked", "asked_to_confirm", "promised")


_FENCE = re.compile(r"(```|~~~).*?(?:\1|\Z)", re.S)
_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:\.(?=\w)[^.!?。！？\n]*)*[.!?。！？]*\n?")
_CITED = re.compile(r"\{\s*\"[^\n]*\}|(?<!\w)\"[^\"\n]*\"|“[^”\n]*”")
"""What a program said, in the agent's message: `{"error": "the channel is archived"}`."""
_QUESTION = re.compile(r"(?:[\w)\]`\"'”’*%]\?+|？)[!?*_)\"'”’\s]*$")
_OFFER = re.compile(
    r"\b(anything else|something else|any (other )?(questions?|changes|adjustments)"
    r"|(let me know|feel free|happy to|glad to)|what('s| is) next|how can i (help|assist)"
    r"|need (me to do )?anything|next step\?)",
    re.I,
)
_CONFIRM = re.compile(
    r"\b(shall i|should i|may i|can i (go ahead|proceed|continue|delete|overwrite)|do you want me"
    r"|would you like me|(is|are) (it|that|this|you) (ok|okay|fine|all right|alright|good)"
    r"|ok(ay)? (to|if i|with)|proceed\?|go ahead\?|continue\?|sounds? (good|right)\?"
    r"|(please )?confirm (that|whether|if|before|the|to|and|so)|your (approval|go-ahead|permission)"
    r"|correct\?|right\?)",
    re.I,
)
_ASKS_WITHOUT_MARK = re.compile(
    r"^\W*(please |could you |can you |kindly )*(tell me|let me know|specify|clarify|provide"
    r"|share|advise|send me|point me|i (need|require) (to know|more (detail|information)"
    r"|the following|you to))\b(?!.*\b(if you (need|want|have)|anything|any questions)\b)",
    re.I,
)
_DONE = re.compile(
    r"\b(done|complete[d]?|finished|all set|(i|i've|we|i have)\s+(\w+\s+){0,2}?(created|wrote"
    r"|written|saved|updated|added|fixed|merged|committed|renamed|moved|removed|deleted|sorted"
    r"|reconciled|generated|built|installed|configured|scheduled|sent|extracted|converted|archived"
    r"|resolved|corrected|replaced|put|ran|run|checked|verified|reviewed|found|counted|set)"
    r"|(is|are|was|were|has been|have been) (now )?(\w+ly )?(created|written|saved|updated|added"
    r"|fixed|merged|committed|renamed|moved|removed|deleted|sorted|reconciled|generated|built"
    r"|installed|configured|scheduled|sent|extracted|converted|archived|resolved|ready|in place"
    r"|complete|available|done|passing)|(tests?|checks?) (now )?pass(es|ed)?"
    r"|here (is|are)(?! where)"
    r"|^\W*(created|wrote|saved|updated|added|fixed|merged|committed|moved|removed|generated))\b",
    re.I | re.M,
)
_ERROR = re.compile(
    r"\b(i|we)\s+(was|were|am|'m)?\s*(unable to|not able to|couldn't|could not|can't|cannot"
    r"|can not|failed to)|\b(it|this|that|the \w+( \w+)?) (failed|keeps failing|fails|errored"
    r"|timed out|does not exist|doesn't exist|could not be|couldn't be|cannot be|can't be"
    r"|is missing|was denied|(is|are) not available)\b|\b(permission denied|no such file"
    r"|command not found|(got|am|was|'m) stuck|what i needed was not"
    r"|i (hit|got|ran into|encountered) (an?|the|some) (\w+ )?(error|problem"
    r"|issue|obstacle)|(unfortunately|sorry)[, ].{0,60}\b(not|n't|unable|fail))",
    re.I,
)
_LEFTOVER = re.compile(
    r"(?<![\w.:/-])(?![0-9a-f]{6})\d{1,3}(?:,\d{1,3})?[acd]\d{1,3}(?:,\d{1,3})?(?![\w-])"
    r"|\b(still (fails?|failing|differs?|wrong|broken|red)|(something|that|it) is not right"
    r"|exit(ed)? (with )?(code|status) [1-9]|exited with [1-9]"
    r"|[1-9]\d* files? (is |are )?still there"
    r"|differs? in [1-9]\d* \w+"
    r"|(0|no) \w+ (were |have been )?(merged|moved|copied|sent|posted|converted|renamed|saved)"
    r"|[1-9]\d* (tests?|checks?) (still )?fail(ed|s)?"
    r"|(does|do) not look as i expected|(is|are) not what i expected|i stopped at"
    r"|(ran|run|on|of) (0|no) (tests?|tables?|cases?|checks?)|no (tests?|tables?) (ran|was run)"
    r"|0 (tests?|tables?|cases?|checks?) (ran|were run|passed)|the same on no tables?)\b"
    r"|\bFAILED \(",
    re.I,
)
"""What is wrong by the agent's own words: a diff that is not empty, a check that still fails."""
_DECLINED = re.compile(
    r"\b(i (have|'ve|see) nothing to do|nothing to do here|i('m| am)? not going to (do|help)"
    r"|no action from my side|i (have not|haven't) (done|touched|changed|started) any\w*"
    r"|i (will|can|do|would|'d)( ?not|n't| rather not) (help|assist|do (that|this|it|anything)))\b",
    re.I,
)
_MENDED = re.compile(
    r"\b(fixed|resolved|worked around|recovered|retried|instead|no longer|now (works|passes)"
    r"|no errors?|without errors?|0 (errors?|failed|failures)|succeeded)\b",
    re.I,
)
_SHORT = 240
"""Refusals are brief; in a longer text the frame is about something else."""
_PARTIAL = re.compile(
    r"\b(so far|partial(ly)?|not (yet|finished|done|complete)|incomplete|half(way)?(?![\w/.-])"
    r"|still (need|have|has|to|missing|working|left)|remain(s|ing) (to|work|steps?)|todos?|to-dos?"
    r"|(?<!covers )(?<!holds )(?<!has )the rest)\b",
    re.I,
)
_ALL_DONE = re.compile(
    r"\ball\b[^.!?]*\b(?:are|is|were|have been|now) (?:now )?(?:done|finished|complete\w*)\b",
    re.I,
)
"""What was open in an earlier sentence is not any more."""
_PROMISE = re.compile(
    r"\b(i'll|i will|i am going to|i'm going to|let me|i am about to|i'm about to|next,? i)\s+"
    r"(?!know\b|be happy|be glad|stop|wait|leave|note|add that|mention|assume)\w+",
    re.I,
)


def classify(text: str) -> AgentMove:
    """Say what a message does.

    Args:
        text: The agent's message, of any size and language; only its last 6,000 characters and
            nothing inside code fences count.
    """
    body = _FENCE.sub(" ", text[-6000:])
    sentences = [s for s in _SENTENCE.findall(body) if s.strip(" \n\t*-#>")]
    if not sentences:
        return AgentMove("said" if text.strip() else "silent")
    asking = _asking(sentences)
    if asking is not None:
        return asking
    if _broken(sentences):
        return AgentMove("reported_error")
    if len(body) < _SHORT and _DECLINED.search(body):
        return AgentMove("declined")
    if any(_PROMISE.search(s) for s in sentences[-2:]):
        return AgentMove("promised")
    open_at = [i for i, s in enumerate(sentences) if _PARTIAL.search(s)]
    if open_at and not any(_ALL_DONE.search(s) for s in sentences[open_at[-1] + 1 :]):
        return AgentMove("partial")
    if _DONE.search(body):
        return AgentMove("claimed_done")
    return AgentMove("said")


def _asking(sentences: list[str]) -> AgentMove | None:
    """The question that is still open at the end of the message, if there is one."""
    for position, sentence in enumerate(reversed(sentences[-6:])):
        line = sentence.strip()
        if _OFFER.search(line) or line.startswith("#"):
            continue
        if _QUESTION.search(line):
            kind: MoveKind = "asked_to_confirm" if _CONFIRM.search(line) else "asked"
            return AgentMove(kind, line)
        if (
            position < 2
            and _CONFIRM.search(line)
            and re.search(r"\bconfirm|approval|go-ahead", line)
        ):
            return AgentMove("asked_to_confirm", line)
        if position < 2 and _ASKS_WITHOUT_MARK.search(line):
            return AgentMove("asked", line)
    return None


def _broken(sentences: list[str]) -> bool:
    """Whether an error is reported that the text does not also report as mended."""
    if any(_LEFTOVER.search(s) and not _MENDED.search(s) for s in sentences[-3:]):
        return True
    sentences = [_CITED.sub(" ", s) for s in sentences]
    failed = [i for i, s in enumerate(sentences) if _ERROR.search(s)]
    if not failed:
        return False
    after = sentences[failed[-1] :]
    return not any(_MENDED.search(s) or _DONE.search(s) for s in after)
