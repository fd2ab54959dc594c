"""Calls whose media passes the relay: nobody is told anybody's own address, and what waits for the relay is not lost."""

import pytest

from tandem.testing.flows import Play
from tandem.testing.sim.clock import SECOND

MEDIA = "relay"


def test_a_relayed_call_is_offered_and_answered_at_the_relay(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    assert (bob.host, alice.host) == (one.media, two.media)
    (talk,) = play.relay.talks.values()
    assert {("b0", "a"), ("a", "b0")} == set(talk.ports)
    alice.hangs_up()
    play.ends()
    assert ("caller", "hung up", 200) == (play.cdr.ended_by, play.cdr.why, play.cdr.status)
    assert ["offer", "answer", "delete"] == [asked["command"] for asked in play.relay.asked]


def test_early_media_comes_from_the_relay(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    bob.rings(183, sdp=True)
    play.until(lambda: one.media == bob.host, "early media")
    bob.rings(180)
    bob.answers()
    play.wait(1)
    assert 183 in one.statuses()
    alice.hangs_up()
    play.ends()


def test_a_ringing_that_follows_early_media_at_once_does_not_overtake_it(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    bob.rings(183, sdp=True)
    bob.rings(180)
    play.until(lambda: one.media == bob.host, "early media")
    bob.answers()
    play.wait(1)
    alice.hangs_up()
    play.ends()


def test_each_phone_of_a_fork_has_a_port_of_its_own(play: Play) -> None:
    alice, bob, desk = play.phone("alice"), play.phone("bob"), play.phone("desk", of="bob")
    one = alice.invites("bob")
    two, three = bob.rings(183, sdp=True), desk.rings(183, sdp=True)
    play.until(lambda: one.media in (bob.host, desk.host), "early media")
    desk.answers()
    play.until(lambda: one.state == "talking" and three.got_ack, "the call")
    play.wait(0.5)
    assert (desk.host, "ended") == (one.media, two.state)
    offers = {asked["to-tag"] for asked in play.relay.asked if asked["command"] == "offer"}
    assert {"b0", "b1"} == offers
    alice.hangs_up()
    play.ends()


def test_hold_and_resume_pass_the_relay(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    before = {port for port in play.relay.ports}
    alice.reinvites("sendonly")
    play.until(lambda: two.direction == "sendonly" and one.direction == "recvonly", "hold")
    play.wait(0.2)
    bob.reinvites("sendrecv")
    play.until(lambda: one.direction == "sendrecv", "resume")
    play.wait(0.2)
    assert (bob.host, alice.host) == (one.media, two.media)
    assert before == set(play.relay.ports)
    bob.hangs_up()
    play.ends()


def test_a_late_offer_passes_the_relay_both_ways(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", offer=False)
    two = bob.rings()
    bob.answers()
    play.until(lambda: two.got_ack, "the ACK with the answer")
    assert (bob.host, alice.host) == (one.media, two.media)
    offer, answer = play.relay.asked[:2]
    assert ("offer", "b0", "a") == (offer["command"], offer["from-tag"], offer["to-tag"])
    assert ("answer", "b0", "a") == (answer["command"], answer["from-tag"], answer["to-tag"])
    bob.hangs_up()
    play.ends()


def test_a_moved_callee_is_heard_by_who_stays(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, _ = play.talk(alice, bob)
    bob.refers("<sip:carol@sim>")
    three = carol.rings()
    carol.answers()
    play.until(lambda: one.media == carol.host and three.got_ack, "alice and carol")
    assert alice.host == three.media
    play.wait(1)
    alice.hangs_up()
    play.ends()


def test_an_invite_that_is_cancelled_while_it_waits_is_never_said(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.relay.slow = 1.0
    one = alice.invites("bob")
    alice.cancels()
    play.ends()
    assert ([487], "cancelled") == (one.finals, play.cdr.why)
    assert all(line.state == "ended" for line in bob.lines)


def test_a_slow_relay_delays_the_call_and_no_more(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.relay.slow = 0.7
    one, two = play.talk(alice, bob)
    assert (bob.host, alice.host) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_a_cancel_that_crosses_an_answer_at_a_slow_relay_ends_both(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    play.wait(0.1)
    play.relay.slow = 0.5
    bob.answers()
    play.wait(0.1)
    alice.cancels()
    play.until(lambda: one.finals, "a final response")
    play.ends(bills=False)
    assert "ended" == one.state == two.state


def test_a_callee_who_hangs_up_before_the_relay_has_answered_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    play.wait(0.1)
    play.relay.slow = 0.5
    bob.answers()
    play.until(lambda: two.got_ack, "the ACK")
    bob.hangs_up()
    play.until(lambda: one.finals, "a final response")
    play.ends(bills=False)
    assert "ended" == one.state


def test_a_relay_that_is_away_refuses_the_call_with_its_reason(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.relay.die()
    asked_at = play.clock.now
    one = alice.invites("bob")
    play.until(lambda: one.finals, "a final response", 10)
    waited = (play.clock.now - asked_at) / SECOND
    assert ([503], []) == (one.finals, bob.lines)
    assert waited < 2.3 + 5 * play.slack
    assert "the media relay does not answer" in one.heard[-1].get("Reason")
    play.relay.starts()
    play.ends()
    assert (503, "the media relay does not answer") == (play.cdr.status, play.cdr.why)


def test_a_relay_that_is_back_in_time_costs_nothing(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.relay.die()
    play.clock.after(1.2 * SECOND, play.relay.starts)
    one, two = play.talk(alice, bob)
    assert (bob.host, alice.host) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_a_relay_that_dies_before_the_answer_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    play.wait(0.1)
    play.relay.die(forget=True)
    bob.answers()
    play.until(lambda: one.finals and two.got("BYE"), "the end", 10)
    assert [503] == one.finals
    play.relay.starts()
    play.ends(bills=False)
    assert (503, 0.0) == (play.cdr.status, play.cdr.seconds)
    assert "the media relay does not answer" == play.cdr.why


def test_a_relay_that_has_forgotten_is_told_all_by_the_next_offer(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    play.relay.die(forget=True)
    play.relay.starts()
    alice.reinvites("sendonly")
    play.until(lambda: two.direction == "sendonly" and one.direction == "recvonly", "hold")
    play.wait(0.2)
    assert (bob.host, alice.host) == (one.media, two.media)
    alice.hangs_up()
    play.ends()


def test_a_reinvite_without_a_relay_is_refused_and_the_call_stays(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    play.relay.die()
    alice.reinvites("sendonly")
    play.until(lambda: 503 in one.statuses(), "the refusal", 10)
    assert ("talking", "sendrecv") == (one.state, two.direction)
    play.relay.starts()
    alice.hangs_up()
    play.ends()


def test_an_info_does_not_overtake_a_reinvite_that_waits(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    play.relay.slow = 0.4
    alice.reinvites("sendonly")
    play.wait(0.1)
    alice.asks("INFO", ("Content-Type", "text/plain"), body="x", line=one)
    play.until(lambda: two.direction == "sendonly" and one.direction == "recvonly", "hold")
    play.wait(0.5)
    assert [200] == [m.status for m in one.answers("INFO")]
    alice.hangs_up()
    play.ends()


def test_a_call_without_media_ends_unless_it_is_held(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    play.until(lambda: told_again(play) and one.state == two.state == "ended", "the end")
    play.ends()
    assert "no media from b0" == play.cdr.why


GONE = "b0 is gone: it has closed its media, or no longer consents to ours"


@pytest.mark.parametrize(
    ("event", "why", "held"),
    [
        ("gone", GONE, False),
        ("gone", GONE, True),
        ("unreached", "no way to the media of b0", False),
        ("unkeyed", "no SRTP keys with b0", True),
    ],
)
def test_a_call_whose_peer_is_lost_ends_held_or_not(
    play: Play, event: str, why: str, held: bool
) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    if held:
        alice.reinvites("sendonly")
        play.until(lambda: two.direction == "sendonly" and one.direction == "recvonly", "hold")
    play.until(
        lambda: told_again(play, event) and one.state == two.state == "ended", "the end of the call"
    )
    play.ends()
    assert (why, "nobody") == (play.cdr.why, play.cdr.ended_by)


def test_what_a_relay_says_that_is_not_known_ends_no_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    play.relay.tells("keyed", "b0")
    play.wait(1)
    assert "talking" == one.state == two.state
    alice.hangs_up()
    play.ends()


def test_a_held_call_needs_no_media(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    alice.reinvites("sendonly")
    play.until(lambda: two.direction == "sendonly" and one.direction == "recvonly", "hold")
    play.wait(0.2)
    play.relay.tells("timeout", "b0")
    play.wait(1)
    assert "talking" == one.state == two.state
    alice.hangs_up()
    play.ends()


def told_again(play: Play, event: str = "timeout") -> bool:
    """A relay says it until the call is over: an owner may die with it."""
    if play.relay.talks:
        play.relay.tells(event, "b0")
    return True
