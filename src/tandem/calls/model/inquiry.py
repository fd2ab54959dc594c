"""What a call asks its relay, word for word, and what it hears of the answers. It decides nothing."""

import json

from tandem.calls.model import described, sdp, tell
from tandem.calls.model.call import Call, Effect
from tandem.calls.model.events import Related, Unheard, Unplayed, Unrelated
from tandem.calls.model.media import DELETED, clean_of, side
from tandem.calls.model.ways import ANSWER, OFFER, Wait
from tandem.media.model import ng, policy


def question(call: Call, effect: Effect) -> ng.Question | None:
    """The words of a "media" effect; None when nobody waits for its answer any more."""
    named = f"{call.id}/{effect.tag}/{effect.ref}"
    common: dict[str, object] = {"id": named, "call-id": call.id}
    if effect.body.startswith(DELETED):
        relay = effect.body[len(DELETED) + 1 :].decode()
        return ng.Question(
            named,
            call.id,
            effect.ref,
            {"command": "delete", **common, "delete-delay": 0},
            relay=relay,
        )
    media = call.media
    if effect.body and media is not None:
        relay, words = json.loads(effect.body)
        return ng.Question(named, call.id, effect.ref, {**words, **common}, relay=relay)
    wait = next((w for w in media.waits if w.n == effect.ref), None) if media is not None else None
    way = media.way(wait.of, wait.to) if media is not None and wait is not None else None
    told = asked_about(call, wait) if wait is not None else b""
    if media is None or wait is None or way is None or not told:
        return None
    towards = way.other_kind if way.other == wait.to else way.one_kind
    server = next((s for s in call.servers if s.txn == call.invite), None)
    teller = side(call, call.legs, server, wait.of, told)
    offerer, answerer = (wait.of, wait.to) if wait.verb == OFFER else (wait.to, wait.of)
    command = {
        "command": wait.verb, **common, "from-tag": offerer, "to-tag": answerer, "sdp": ng.text_of(sdp.later(told, media.moves)),
        **ng.flags(wait.verb, towards, natted=policy.behind_nat(teller), clean=clean_of(call, wait.of)),
    }  # fmt: skip
    if family := policy.family(teller.source):
        command["received-from"] = [f"IP{family}", teller.source]
    # an answer that may have been said is not taken back for a relay that takes its time
    since = 0 if wait.doubt and wait.do == "respond" else wait.at
    return ng.Question(named, call.id, wait.n, command, since, media.relay)


def outcome(question: ng.Question, told: ng.Told | None) -> Related | Unrelated | Unplayed | None:
    """What a call hears of its question; `told`: the relay's answer, None when there was none."""
    if question.verb not in (OFFER, ANSWER):
        return silent(question, told)
    if told is None:
        return Unrelated(question.n, "the media relay does not answer")
    if told.result == "ok" and told.sdp:
        return Related(question.n, told.sdp.encode("utf-8"))
    return Unrelated(question.n, f"the media relay refuses: {reason(told)}", True)


def reason(told: ng.Told) -> str:
    return "".join(c for c in told.error[: ng.TEXT_MOST] if c.isprintable() and c != '"')


def silent(question: ng.Question, told: ng.Told | None) -> Unplayed | None:
    """What a call hears of its order to the audio engine; nothing when it is carried out."""
    if question.verb == DELETED.decode() or (told is not None and told.result == "ok"):
        return None
    why = reason(told) if told is not None else "it does not answer"
    return Unplayed(f"{question.verb}: {why}")


LOSSES = {
    "gone": "{party} is gone: it has closed its media, or no longer consents to ours",
    "unreached": "no way to the media of {party}",
    "unkeyed": "no SRTP keys with {party}",
}


ELSEWHERE = frozenset({"unreached", "unkeyed"})  # another relay may have a way, and makes new keys


def unasked(told: ng.Told, at: int) -> Unheard | None:
    """What a call hears of what the relay says by itself."""
    if told.event == "timeout":
        return Unheard(told.leg, at)
    if told.event in LOSSES:
        return Unheard(told.leg, at, LOSSES[told.event].format(party=told.leg))
    return None


def asked_about(call: Call, wait: Wait) -> bytes:
    """The description as its party told it."""
    if wait.body:
        return wait.body
    match wait.do:
        case "ask":
            found = next((c.message for c in call.clients if c.n == wait.ref), b"")
        case "respond":
            found = next((s.message for s in call.servers if s.txn == wait.ref), b"")
        case "ack":
            acks = (a for c in call.clients if c.n == wait.ref for a in c.acks)
            found = next((a.message for a in acks if a.to_tag == wait.tag), b"")
        case _:
            word = tell.read(wait.word)
            if not isinstance(word, tell.Described):
                return b""
            return described.part(word.content_type, word.body)
    return described.of_message(found)
