"""What a person makes of what they see: contradictions, and questions worth asking."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ise_env.users.agent_move import AgentMove
from ise_env.users.digest import HEAD_CHARS, HEAD_LINES, mentioned
from ise_env.users.expecting import Fault, wanted
from ise_env.users.inspecting import miscounted, visible_fault
from ise_env.users.keeping import still_all_there, twins, upset
from ise_env.users.ledger import GoalState, Ledger
from ise_env.users.protocol import Digest

CASES: Mapping[str, str] = {
    "not there": "missing",
    "0 bytes": "empty",
    "unchanged": "unchanged",
    "still there": "still_there",
    "an empty directory": "folder",
}
"""What a claim line says, and the wording that challenges it."""

_REMOVES = re.compile(r"\b(delete|remove|move|rename|archive|clean|tidy|prune)", re.I)
_COMMITS = re.compile(r"\b(commit|branch|repository|cherry-pick|merge|tag)", re.I)
_ALREADY = re.compile(
    r"\b(already|as it was|nothing (had|needed|was) to|no change|unchanged|earlier"
    r"|same as before)\b",
    re.I,
)
_REASON = re.compile(
    r"\b(because|since the|on purpose|intended|meant to|is right|are right|supposed to"
    r"|as (it|they) should be|by the rules?|(as|the way) \S+ (says|wants|asks|has it)"
    r"|(says|wants|asks) (so|it|that|for))\b",
    re.I,
)
_FIGURE_OR_PATH = re.compile(r"\d|\w\.\w|\w/\w")
_QUOTABLE = re.compile(r"^[\w #*|,.:;()'/+-]+$")
_FIGURE = re.compile(
    r"(?<![\w./-])\d[\d,]*(?:\.\d+)? ?"
    r"(?:%|(?!(?:who|and|are|was|were|have|has|had|that|which|with|from|for|but|did|does|the|can"
    r"|could|will|would|may|not|per|out|only|more|less|below|above|before|after|into|over|under"
    r"|then|than|while|still|stay|stayed|went|came|left)\b)[a-z]{3,12})(?![\w/])"
)
"""A number with what it counts."""
_SHORT_OF = re.compile(r"(?<![\w.,/-])(\d{1,6}) of (?:the |all )?(\d{1,6})\b(?![.,]\d)")
_WORD = re.compile(r"(?!(?:what|which|should|would|could|does|that|this|with)\b)[a-z]{4,}")
_DETAIL = re.compile(r"\b(which|where|what|who|path|file|folder|branch|column|name)\b", re.I)
_KINDS = {
    "text": re.compile(r"\.(md|txt|rst|html?|eml|docx?)$", re.I),
    "data": re.compile(r"\.(csv|tsv|jsonl?|ya?ml|toml|xml|xlsx?|parquet|sql|ics)$", re.I),
    "code": re.compile(r"\.(py|sh|js|ts|rb|pl|go|rs|c|cpp|java)$", re.I),
    "folder": re.compile(r"(^|/)[^./]*/?$"),
}


@dataclass(frozen=True)
class Question:
    """Something to ask about a result: the wording's key, its slots, what it points at."""

    case: str
    slots: dict[str, str] = field(default_factory=dict)
    observed: tuple[str, ...] = ()


def contradiction(
    state: GoalState,
    digest: Digest,
    book: Ledger,
    looked_at: Sequence[str] = (),
    *,
    whole: bool = False,
) -> Fault | None:
    """The first thing seen that does not fit a result being there; None if all fits.

    Args:
        state: What the user is waiting for.
        digest: What they see.
        book: What they know.
        looked_at: Places of the result that they looked at on purpose.
        whole: Whether they read files to the end rather than their first lines, and go through
            what has changed.
    """
    removing = _REMOVES.search(state.goal.request) is not None
    for claim in digest.claims:
        path, _, finding = claim.partition(": ")
        if finding == "unchanged" and (
            removing or state.complaints or path in book.seen or book.verification_at is not None
        ):
            continue  # said once; an explanation is taken for what it is
        if finding == "not there" and removing and path in state.goal.artifacts:
            continue
        if finding == "not there" and not _was_promised(path, state):
            continue
        if finding in CASES:
            return Fault(f"challenge.{CASES[finding]}", claim, {"path": path})
    faults = (
        _untouched(state, digest, looked_at),
        _at_fault(state, digest, whole=whole),
        _among_the_changes(state, digest) if whole else None,
    )
    return next((fault for fault in faults if fault and fault.claim not in state.accepted), None)


def gives_a_reason(text: str) -> bool:
    """Whether a message says why something is as it is."""
    return _REASON.search(text) is not None


def _was_promised(path: str, state: GoalState) -> bool:
    """Whether a place is one: a name without a folder counts if the request names it so."""
    return "/" in path or path in state.goal.artifacts or path in mentioned(state.goal.request)


def _untouched(state: GoalState, digest: Digest, looked_at: Sequence[str]) -> Fault | None:
    """A result that is as it was when it was asked for, if the agent does not say why."""
    if state.touched or state.complaints or _ALREADY.search(digest.agent_text):
        return None
    if _COMMITS.search(state.goal.request):
        return None  # the change may be on a branch that is not checked out
    for path in looked_at:
        if path in state.goal.artifacts[:1]:
            return Fault("challenge.unchanged", f"{path}: unchanged", {"path": path})
    return None


def _at_fault(state: GoalState, digest: Digest, *, whole: bool) -> Fault | None:
    read = dict(digest.contents if whole else ())
    for path, head in digest.heads:
        if path in state.goal.artifacts:
            text = read.get(path, head)
            complete = path in read or _is_whole(head)
            fault = visible_fault(state.goal.request, path, text, whole=complete)
            if fault is None and complete:
                fault = miscounted(digest.agent_text, path, text)
            if fault is not None:
                return fault
    return None


def _among_the_changes(state: GoalState, digest: Digest) -> Fault | None:
    """What the list of changed files shows to be wrong."""
    goal, doubt = state.goal, state.removed or bool(digest.more_changes)
    return (
        upset(goal, digest.changes)
        or twins(goal, digest.changes)
        or still_all_there(goal, gone=doubt)
    )


def _is_whole(head: str) -> bool:
    # Line ends are counted, as a blank last line of a cut text is a line, too.
    return head.count("\n") < HEAD_LINES - 1 and len(head) < HEAD_CHARS - 1


def out_of_thin_air(state: GoalState, digest: Digest) -> bool:
    """Whether the answer to a request came without the agent having done anything at all."""
    idle = not (digest.tool_calls or digest.changes)
    return idle and not _ALREADY.search(digest.agent_text) and wanted(state.goal.request) is None


def is_vague(move: AgentMove, digest: Digest) -> bool:
    """Whether the message gives nothing to go on: hardly a word, or 'done' and nothing done."""
    text = digest.agent_text.strip()
    if _FIGURE_OR_PATH.search(text):
        return False
    if move.kind == "claimed_done":
        return not digest.tool_calls and not digest.changes and len(text) < 80
    return move.kind == "said" and len(text) < 40 and (text.isascii() or not digest.changes)


def question_about(state: GoalState, digest: Digest, book: Ledger) -> Question | None:
    """A question that somebody would ask who sees this; None if there is nothing to see."""
    heads = dict(digest.heads)
    new = [c for c in digest.changes if c.change != "deleted" and c.size > 0]
    paths = [c.path for c in new if " " not in c.path and _FIGURE_OR_PATH.search(c.path)]
    expected = [p for p in state.goal.artifacts if p in heads or p in paths]
    text = digest.agent_text
    counted = "yes" if _FIGURE.search(text) else ""
    short = _SHORT_OF.search(text)
    if short and int(short[1]) < int(short[2]):
        return Question("checkin.share", {"share": f"{short[1]} of {short[2]}"})
    if digest.mail:
        sender = digest.mail[0].partition(": ")[0].partition(" <")[0].strip('"')
        return Question("checkin.mail", {"sender": sender}, (digest.mail[0],))
    for path in expected or list(heads) or paths:
        rows = [row.strip() for row in heads.get(path, "").splitlines() if row.strip()]
        line = rows[0] if rows and 3 < len(rows[0]) <= 60 and _QUOTABLE.match(rows[0]) else ""
        kind = next((k for k, ending in _KINDS.items() if ending.search(path)), "other")
        kind = "expected" if kind == "other" and path in expected else kind
        if kind == "folder" and f"{path.rstrip('/')}/" in text:
            continue  # the agent has just said what is in it
        return Question(
            f"checkin.{kind}", {"path": path, "line": line, "counted": counted}, (path,)
        )
    said = "\n".join(turn.message for turn in book.turns)
    for match in _FIGURE.finditer(digest.agent_text):
        if match.group().strip() not in said:
            return Question("checkin.figure", {"figure": match.group().strip()})
    return None


def same_matter(asked: str, expected: str) -> bool:
    """Whether two questions share enough of their content words to be the same question."""
    theirs, ours = ({w[:5] for w in _WORD.findall(q.lower())} for q in (asked, expected))
    return len(theirs & ours) * 3 >= len(ours) and bool(theirs & ours)


def asks_for_detail(question: str) -> bool:
    """Whether a question asks for a name, a place, a thing, rather than for a preference."""
    return _DETAIL.search(question) is not None
