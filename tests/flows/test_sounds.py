"""Music for who is held, and recordings, as call control orders them from the relay."""

from tandem.calls.model.events import Moved, Record
from tandem.calls.model.ways import PAUSED, RECORDED, STOPPED
from tandem.testing.actor import Actor
from tandem.testing.flows import Play
from tandem.testing.line import Line

MEDIA = "relay"
MUSIC = "hold.ogg, tone:beep"


def orders(play: Play, relay: str = "") -> list[tuple[str, str]]:
    """What the relay was asked beyond descriptions: (verb, to whom)."""
    words = ("offer", "answer", "delete")
    asked = play.world.relays[relay].asked
    return [(str(c["command"]), str(c.get("from-tag", ""))) for c in asked if c["command"] not in words]  # fmt: skip


def with_music(play: Play, **more: object) -> tuple[Actor, Actor]:
    play.board.options = {"music": MUSIC, **more}
    return play.phone("alice"), play.phone("bob")


def holds(play: Play, who: Actor, other: Line) -> None:
    who.reinvites("sendonly")
    play.until(lambda: other.direction == "sendonly", "hold")
    play.wait(0.2)


def test_who_is_held_hears_music_until_the_call_is_resumed(play: Play) -> None:
    alice, bob = with_music(play)
    one, two = play.talk(alice, bob)
    holds(play, alice, two)
    assert [("play media", "b0")] == orders(play)
    assert ["hold.ogg", "tone:beep"] == play.relay.asked[-1].get("list", ["hold.ogg", "tone:beep"])
    alice.reinvites("sendrecv")
    play.until(lambda: two.direction == "sendrecv", "resume")
    play.wait(0.2)
    assert [("play media", "b0"), ("stop media", "b0")] == orders(play)
    holds(play, bob, one)
    assert ("play media", "a") == orders(play)[-1]
    bob.hangs_up()
    play.ends()


def test_two_who_hold_each_other_hear_nothing(play: Play) -> None:
    alice, bob = with_music(play)
    _, two = play.talk(alice, bob)
    holds(play, alice, two)
    bob.reinvites("sendonly")
    play.wait(0.5)
    assert [("play media", "b0"), ("stop media", "b0")] == orders(play)
    alice.hangs_up()
    play.ends()


def test_a_refused_hold_plays_no_music_for_long(play: Play) -> None:
    alice, bob = with_music(play)
    play.talk(alice, bob)
    bob.replies_with["INVITE"] = (488, [])
    alice.reinvites("sendonly")
    play.wait(0.5)
    assert orders(play)[-1:] in ([], [("stop media", "b0")])
    alice.hangs_up()
    play.ends()


def test_who_is_held_and_moved_hears_whom_he_is_moved_to(play: Play) -> None:
    alice, bob = with_music(play)
    carol = play.phone("carol")
    one, two = play.talk(alice, bob)
    holds(play, bob, one)
    bob.refers("<sip:carol@sim>", line=two)
    carol.rings()
    carol.answers()
    play.until(lambda: one.media == carol.host, "alice and carol")
    play.wait(0.5)
    assert [("play media", "a"), ("stop media", "a")] == orders(play)
    alice.hangs_up()
    play.ends()


def test_without_music_nothing_is_ordered(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    _, two = play.talk(alice, bob)
    holds(play, alice, two)
    assert [] == orders(play)
    alice.hangs_up()
    play.ends()


def test_a_tenants_calls_are_recorded_from_the_answer_on(play: Play) -> None:
    alice, bob = with_music(play, record=True)
    play.talk(alice, bob)
    play.wait(0.2)
    assert [("start recording", "")] == orders(play)
    alice.hangs_up()
    play.ends()


def test_a_desk_records_pauses_and_stops(play: Play) -> None:
    alice, bob = with_music(play)
    play.talk(alice, bob)
    for wanted in (RECORDED, PAUSED, RECORDED, STOPPED):
        play.order(Record("eve", wanted))
        play.wait(0.1)
    told = ["start recording", "pause recording", "start recording", "stop recording"]
    assert told == [verb for verb, _ in orders(play)]
    alice.hangs_up()
    play.ends()
    assert {"recorded", "recording paused", "recording ended"} <= {e.what for e in play.story}


def test_another_relay_plays_and_records_on(play: Play) -> None:
    alice, bob = with_music(play, record=True)
    _, two = play.talk(alice, bob)
    holds(play, alice, two)
    play.relay.die(forget=True)
    play.order(Moved("other", "it is gone", play.clock.now))
    play.until(lambda: len(orders(play, "other")) == 2, "sound from the other relay")
    assert {("play media", "b0"), ("start recording", "")} == set(orders(play, "other"))
    alice.hangs_up()
    play.ends()


def test_a_sound_that_the_relay_does_not_have_is_told(play: Play) -> None:
    alice, bob = with_music(play)
    play.relay.lacks = "hold.ogg"
    _, two = play.talk(alice, bob)
    holds(play, alice, two)
    alice.hangs_up()
    play.ends()
    assert "play media: no file hold.ogg" in [e.text for e in play.story if e.what == "no sound"]
