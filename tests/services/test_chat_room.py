"""The chat room through a real workspace."""

from __future__ import annotations

import json

from ise_env.rewards.checks import ChatNotPosted, ChatPosted, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.services.spec import Channel, ChatMessage, ChatReply, ChatSeed, Person

ANNA = Person(name="Anna Keller", address="anna@harbour.example", title="Buyer")
SEED = ChatSeed(
    people=(ANNA,),
    channels=(
        Channel(
            name="harbour-stock",
            topic="Stock",
            members=("anna.harbour",),
            messages=tuple(ChatMessage(sender="anna.harbour", text=f"note {n}") for n in range(60)),
            replies=(ChatReply(sender="anna.harbour", contains=("how many",), text="42 boxes"),),
        ),
        Channel(name="harbour-old", archived=True),
    ),
)
API = "http://chat.office.example/api"


def test_reading_and_posting(serve):
    place = serve(SEED)
    channels = json.loads(place.shell(f"curl -s {API}/channels"))
    assert [c["name"] for c in channels] == ["harbour-stock", "harbour-old"]
    assert channels[0]["members"] == ["me", "anna.harbour"]
    assert json.loads(place.shell(f"curl -s {API}/users"))[0]["full_name"] == "Anna Keller"
    latest = json.loads(place.shell(f"curl -s {API}/channels/harbour-stock/messages"))
    assert (len(latest["messages"]), latest["more"]) == (50, True)
    first = latest["messages"][0]["id"]
    older = json.loads(
        place.shell(f"curl -s '{API}/channels/harbour-stock/messages?before={first}'")
    )
    assert [m["text"] for m in older["messages"]] == [f"note {n}" for n in range(10)]
    at = f"{API}/channels/harbour-stock/messages"
    sent = json.loads(place.shell(f"""curl -s {at} -d '{{"text": "How many are left?"}}'"""))
    assert sent["from"] == "me"
    assert "42 boxes" in place.shell(f"curl -s '{at}?limit=1'")
    place.shell(f"""curl -s {API}/users/anna.harbour/messages -d '{{"text": "Thanks"}}'""")
    assert "not empty" in place.shell(f"curl -s {at} -d '{{}}'")
    refused = f"""curl -s {API}/channels/harbour-old/messages -d '{{"text": "hi"}}'"""
    assert "archived" in place.shell(refused)
    assert "no channel" in place.shell(f"curl -s {API}/channels/none/messages")
    evidence = Evidence(place.workspace.freeze(), services=place.services.records())
    checks = (
        ChatPosted(id="c", channel="harbour-stock", text=TextMatch(matches=("left",))),
        ChatPosted(id="c", to="anna.harbour", text=TextMatch(equals="Thanks")),
        ChatPosted(id="c", channel="harbour-old", text=TextMatch()),
        ChatPosted(id="c", channel="harbour-stock", text=TextMatch(), count=2),
        ChatNotPosted(id="c", channels=("harbour-old",)),
        ChatNotPosted(id="c", channels=("harbour-*",)),
        ChatNotPosted(id="c", to=("*",), allowed=("anna.harbour",)),
    )
    passed = []
    for check in checks:
        try:
            check.judge(evidence)
            passed.append(True)
        except Unmet:
            passed.append(False)
    assert passed == [True, True, False, False, True, False, True]
