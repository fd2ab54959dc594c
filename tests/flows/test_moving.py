"""Calls whose relay is gone for good: both parties are asked again by another one, and hear each other from there."""

import pytest

from tandem.calls.model.events import Moved
from tandem.testing.actor import Actor
from tandem.testing.flows import Play
from tandem.testing.line import Line
from tandem.testing.sim.relay import OTHER, place_in

MEDIA = "relay"


def moves(play: Play, key: str = "", *, gone: bool = True) -> None:
    """Its relay is gone, and the node has chosen the other one."""
    if gone:
        play.relay.die(forget=True)
    play.order(Moved("other", "it is gone", play.clock.now, gone), key)


def at_other(line: Line) -> bool:
    """Whether the last description that the phone has is of the other relay."""
    bodies = [message.body for message in line.heard if message.body.startswith("v=0")]
    return bool(bodies) and place_in(bodies[-1])[0] == OTHER


def moved(play: Play, *lines: Line) -> None:
    play.until(lambda: all(at_other(line) for line in lines), "the other relay at both phones")
    play.wait(0.2)


def version(message_body: str) -> int:
    return int(message_body.partition("o=")[2].split(" ")[2])


def test_two_who_talk_are_asked_again_and_hear_each_other(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    moves(play)
    moved(play, one, two)
    assert (bob.host, alice.host) == (one.media, two.media)
    assert ("sendrecv", "sendrecv") == (one.direction, two.direction)
    alice.hangs_up()
    play.ends()
    assert ("caller", "hung up", 200) == (play.cdr.ended_by, play.cdr.why, play.cdr.status)
    assert {"relay left", "relay changed"} <= {event.what for event in play.story}


def test_what_is_taken_out_of_a_party_is_said_with_each_of_its_descriptions(play: Play) -> None:
    play.board.options = {"clean": "noise"}
    alice, bob = play.phone("alice"), play.trunk("carrier", clean="echo")
    play.board.stages["bob"] = (("carrier",),)
    one, two = play.talk(alice, bob)
    moves(play)
    moved(play, one, two)
    alice.hangs_up()
    play.ends()
    every = [ask for relay in play.world.relays.values() for ask in relay.asked]
    asked = [ask for ask in every if ask["command"] != "delete"]
    told = [
        (ask["from-tag"] if ask["command"] == "offer" else ask["to-tag"], ask["flags"])
        for ask in asked
    ]
    assert 6 == len(told)
    assert [(tag, ["denoise"] if tag == "a" else ["cancel-echo"]) for tag, _ in told] == told


def test_the_versions_of_descriptions_rise(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    moves(play)
    moved(play, one, two)
    bob.reinvites("sendonly")
    play.until(lambda: one.direction == "sendonly", "hold")
    play.wait(0.2)
    for line in (one, two):
        told = {m.body: version(m.body) for m in line.heard if m.body.startswith("v=0")}
        assert sorted(set(told.values())) == list(told.values())
    bob.hangs_up()
    play.ends()


def test_a_call_on_hold_stays_on_hold(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    alice.reinvites("sendonly")
    play.until(lambda: two.direction == "sendonly" and one.direction == "recvonly", "hold")
    play.wait(0.2)
    moves(play)
    moved(play, one, two)
    assert ("recvonly", "sendonly") == (one.direction, two.direction)
    alice.reinvites("sendrecv")
    play.until(lambda: two.direction == "sendrecv", "resume")
    play.wait(0.2)
    assert (bob.host, alice.host) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_who_rings_is_answered_by_the_other_relay(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    play.wait(0.2)
    moves(play)
    play.wait(0.2)
    bob.answers()
    moved(play, one, two)
    assert (bob.host, alice.host) == (one.media, two.media)
    assert 1 == len([m for m in alice.heard if m.method == "INVITE" and m.status == 200])
    alice.hangs_up()
    play.ends()


def test_early_media_is_heard_again_once_it_is_answered(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings(183, sdp=True)
    play.until(lambda: one.media == bob.host, "early media")
    moves(play)
    play.wait(0.2)
    bob.answers()
    moved(play, one, two)
    assert (bob.host, alice.host) == (one.media, two.media)
    bob.hangs_up()
    play.ends()


def test_a_fork_that_rings_moves_with_whoever_answers(play: Play) -> None:
    alice, bob, desk = play.phone("alice"), play.phone("bob"), play.phone("desk", of="bob")
    one = alice.invites("bob")
    bob.rings()
    two = desk.rings()
    play.wait(0.2)
    moves(play)
    desk.answers()
    moved(play, one, two)
    assert (desk.host, alice.host) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_what_waits_for_the_dead_relay_is_asked_of_the_other(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    play.wait(0.2)
    play.relay.die(forget=True)
    bob.answers()
    play.wait(0.2)
    moves(play)
    moved(play, one, two)
    assert (bob.host, alice.host) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_an_offer_that_waits_for_the_dead_relay_rings(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.relay.die(forget=True)
    one = alice.invites("bob")
    play.wait(0.2)
    moves(play)
    two = bob.rings()
    bob.answers()
    play.until(lambda: one.state == "talking" and two.got_ack, "the call")
    play.wait(0.5)
    assert (bob.host, alice.host) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_a_hold_that_waits_for_the_dead_relay_is_not_lost(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    play.relay.die(forget=True)
    alice.reinvites("sendonly")
    play.wait(0.2)
    moves(play)
    moved(play, one, two)
    assert "sendonly" == two.direction
    alice.hangs_up()
    play.ends()


def test_who_refuses_for_now_is_asked_later(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    bob.replies_with["INVITE"] = (491, [])
    moves(play)
    moved(play, one, two)
    assert (bob.host, alice.host) == (one.media, two.media)
    bob.hangs_up()
    play.ends()


def test_who_refuses_for_good_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    alice.replies_with["INVITE"] = (488, [])
    moves(play)
    play.ends()
    assert "no other media relay: a0 answers 488" == play.cdr.why


def test_who_refuses_to_leave_a_living_relay_stays_there(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    bob.replies_with["INVITE"] = (488, [])
    moves(play, gone=False)
    play.wait(1)
    assert (bob.host, alice.host) == (one.media, two.media)
    assert "talking" == one.state == two.state
    alice.reinvites("sendonly")
    play.until(lambda: two.direction == "sendonly", "hold")
    play.wait(0.2)
    alice.hangs_up()
    play.ends()
    assert "relay kept" in {event.what for event in play.story}


def test_who_has_left_is_asked_back_when_the_other_refuses(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    alice.replies_with["INVITE"] = (488, [])
    moves(play, gone=False)
    play.wait(1.5)
    assert (bob.host, alice.host) == (one.media, two.media)
    assert "talking" == one.state == two.state
    alice.hangs_up()
    play.ends()
    assert "relay kept" in {event.what for event in play.story}


def test_a_drained_relay_is_left_and_forgets_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    moves(play, gone=False)
    moved(play, one, two)
    assert (bob.host, alice.host) == (one.media, two.media)
    play.wait(0.5)
    assert not play.relay.talks
    alice.hangs_up()
    play.ends()


def test_a_dialog_that_is_gone_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    _, two = play.talk(alice, bob)
    bob.replies_with["INVITE"] = (481, [])
    moves(play)
    play.until(lambda: bob.heard[-1].method == "ACK", "bob's answer to be heard")
    bob.end(two)
    play.ends(bills=False)
    assert "the peer answered 481" == play.cdr.why


def test_who_hangs_up_meanwhile_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    moves(play)
    alice.hangs_up()
    play.ends()
    assert "hung up" == play.cdr.why


def halves(play: Play) -> tuple[Actor, Actor, Line, Line]:
    """An attended transfer: alice and carol are in two calls that are joined."""
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, two = play.talk(alice, bob)
    three = bob.invites("carol")
    four = carol.rings()
    carol.answers()
    play.until(lambda: three.state == "talking" and four.got_ack, "the second call")
    play.wait(0.1)
    bob.refers(f"<sip:carol@sim?Replaces={escaped(bob.replaces(three))}>", line=two)
    play.until(lambda: one.media == carol.host and four.media == alice.host, "alice and carol")
    play.wait(1)
    return alice, carol, one, four


def escaped(text: str) -> str:
    return text.replace("@", "%40").replace(";", "%3B").replace("=", "%3D")


@pytest.mark.parametrize("which", ["first", "second", "both"])
def test_a_half_whose_party_is_in_another_call_moves_too(play: Play, which: str) -> None:
    alice, carol, one, four = halves(play)
    first, second = play.world.store.rows
    for key in {"first": [first], "second": [second], "both": [first, second]}[which]:
        moves(play, key, gone=which == "both")
    play.wait(12)
    assert at_other(one if which != "second" else four)
    assert (carol.host, alice.host) == (one.media, four.media)
    alice.hangs_up()
    play.ends(bills=False)
