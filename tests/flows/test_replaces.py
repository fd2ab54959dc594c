"""Two calls that become one: INVITE with Replaces (RFC 3891), pick-up, attended transfer (RFC 5589 7)."""

from urllib.parse import quote

import pytest

from tandem.testing.actor import Actor
from tandem.testing.flows import Play
from tandem.testing.line import Line


def take_over(play: Play, *, offer: bool = True) -> tuple[Actor, Actor, Actor]:
    """carol takes bob's place in his call with alice."""
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    carol.invites("bob", ("Replaces", bob.replaces()), offer=offer)
    play.until(lambda: carol.line.state == "talking", "carol to talk")
    play.until(lambda: bob.line.state == "ended", "bob's end")
    play.wait(0.5)
    return alice, bob, carol


def attended(play: Play) -> tuple[Actor, Actor, Actor, Line, Line]:
    """alice talks to bob, bob asks carol and connects the two."""
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    _, first = play.talk(alice, bob)
    second, _ = play.talk(bob, carol)
    bob.refers(f"<sip:carol@sim?Replaces={quote(bob.replaces(second), safe='')}>", line=first)
    play.until(lambda: first.state == second.state == "ended", "both of bob's ends")
    play.wait(0.5)
    return alice, bob, carol, first, second


def met(one: Actor, two: Actor) -> bool:
    return (one.line.media, two.line.media) == (two.host, one.host)


@pytest.mark.parametrize("offer", [True, False])
def test_an_invite_with_replaces_takes_the_place_of_a_party(play: Play, offer: bool) -> None:
    alice, bob, carol = take_over(play, offer=offer)
    assert met(alice, carol)
    assert bob.line.got("BYE")
    assert "talking" == alice.line.state
    carol.hangs_up()
    play.until(lambda: alice.line.state == "ended", "alice's end")
    play.ends(bills=False)
    assert {"hung up"} == {cdr.why for cdr in play.cdrs}
    assert 2 == len(play.cdrs)


@pytest.mark.parametrize("who", [0, 1])
def test_the_two_halves_pass_requests_both_ways(play: Play, who: int) -> None:
    alice, _, carol = take_over(play)
    asker, other = (alice, carol) if who else (carol, alice)
    asker.asks("INFO", ("Content-Type", "application/dtmf-relay"), body="Signal=1")
    play.wait(0.3)
    assert ["Signal=1"] == [m.body for m in other.line.got("INFO")]
    assert [200] == [m.status for m in asker.line.answers("INFO")]
    asker.reinvites("sendonly")
    play.wait(0.5)
    assert ("sendonly", "recvonly") == (other.line.direction, asker.line.direction)
    asker.reinvites(offer=False)
    play.wait(0.5)
    assert "m=audio" in other.line.got("ACK")[-1].body
    asker.asks("UPDATE", body=asker.sdp("inactive"))
    play.wait(0.3)
    assert "inactive" == other.line.direction
    other.hangs_up()
    play.ends(bills=False)


def test_changes_from_both_halves_at_once_are_glare(play: Play) -> None:
    alice, _, carol = take_over(play)
    alice.reinvites()
    carol.reinvites()
    play.wait(2)
    assert 491 in alice.line.statuses() + carol.line.statuses()
    assert "talking" == alice.line.state == carol.line.state
    alice.hangs_up()
    play.ends(bills=False)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("x", 400),
        ("call;to-tag=a", 400),
        ("call;to-tag=stranger;from-tag=b", 481),
        ("c;to-tag=00abcdefghjkmb0;from-tag=b", 481),
    ],
)
def test_a_replaces_that_names_nothing_is_refused(play: Play, value: str, status: int) -> None:
    carol = play.phone("carol")
    line = carol.invites("bob", ("Replaces", value))
    play.ends()
    assert [status] == line.finals


def test_early_only_does_not_take_an_answered_call(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    line = carol.invites("bob", ("Replaces", bob.replaces(early=True)))
    play.until(lambda: line.finals, "the refusal")
    assert [486] == line.finals
    alice.hangs_up()
    play.ends(bills=False)


def test_a_call_that_has_ended_is_not_replaced(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    value = bob.replaces()
    alice.hangs_up()
    play.wait(1)
    line = carol.invites("bob", ("Replaces", value))
    play.until(lambda: line.finals, "the refusal")
    assert [603] == line.finals
    play.ends(bills=False)


def test_a_wrong_peer_tag_does_not_open_a_call(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    line = carol.invites("bob", ("Replaces", bob.replaces().replace("from-tag=", "from-tag=x")))
    play.until(lambda: line.finals, "the refusal")
    assert [481] == line.finals
    assert "talking" == bob.line.state
    bob.hangs_up()
    play.ends(bills=False)


def test_a_party_that_refuses_the_new_one_keeps_the_old(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    alice.replies_with["INVITE"] = (488, [])
    line = carol.invites("bob", ("Replaces", bob.replaces()))
    play.until(lambda: line.finals, "the refusal")
    assert [488] == line.finals
    assert "talking" == bob.line.state == alice.line.state
    bob.hangs_up()
    play.ends(bills=False)


@pytest.mark.parametrize("offer", [True, False])
def test_a_ringing_call_is_picked_up(play: Play, offer: bool) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one = alice.invites("bob", offer=offer)
    two = bob.rings()
    play.wait(0.1)
    line = carol.invites("bob", ("Replaces", bob.replaces(two, early=True)))
    play.until(lambda: line.state == "talking", "carol to talk")
    play.until(lambda: two.state == "ended", "bob to stop")
    play.wait(0.5)
    assert "talking" == one.state
    assert met(alice, carol)
    assert two.got("CANCEL")
    alice.hangs_up()
    play.ends(bills=False)
    assert {"carol@sim", "alice@sim"} == {cdr.answered_by for cdr in play.cdrs}


def test_who_has_no_codec_in_common_cannot_pick_up(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    carol.codecs = "9 101"
    one = alice.invites("bob")
    two = bob.rings()
    line = carol.invites("bob", ("Replaces", bob.replaces(two)))
    play.until(lambda: line.finals, "the refusal")
    assert [488] == line.finals
    bob.answers(line=two)
    play.until(lambda: one.state == "talking", "bob's answer")
    alice.hangs_up()
    play.ends(bills=False)


def test_an_attended_transfer_connects_the_two_others(play: Play) -> None:
    alice, bob, carol, first, second = attended(play)
    assert met(alice, carol)
    assert [202] == [m.status for m in first.answers("REFER")]
    assert ["100", "200"] == [m.body[8:11] for m in first.got("NOTIFY")]
    assert first.got("BYE") and second.got("BYE")
    carol.asks("INFO")
    play.wait(0.3)
    assert alice.line.got("INFO")
    carol.hangs_up()
    play.until(lambda: alice.line.state == "ended", "alice's end")
    play.ends(bills=False)
    assert 2 == len(play.cdrs)
    assert bob.lines == [first, second]


def test_an_attended_transfer_into_nothing_leaves_all_as_it_was(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    value = quote("gone;to-tag=00abcdefghjkmb0;from-tag=x", safe="")
    bob.refers(f"<sip:carol@sim?Replaces={value}>")
    play.wait(1)
    play.until(lambda: len(bob.line.got("NOTIFY")) == 2, "what came of it")
    assert ["100", "481"] == [m.body[8:11] for m in bob.line.got("NOTIFY")]
    assert "talking" == alice.line.state
    alice.hangs_up()
    play.ends()


def test_a_dialog_that_is_not_ours_is_replaced_by_the_target_itself(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    value = "far@away;to-tag=theirs;from-tag=his"
    bob.refers(f"<sip:carol@sim?Replaces={quote(value, safe='')}>")
    assert value == carol.rung().invite.get("Replaces")
    carol.answers()
    play.until(lambda: bob.line.state == "ended", "bob's end")
    assert carol.host == alice.line.media
    alice.hangs_up()
    play.ends(bills=False)


def test_the_transferor_may_hang_up_both_at_once(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    _, first = play.talk(alice, bob)
    second, _ = play.talk(bob, carol)
    bob.refers(f"<sip:carol@sim?Replaces={quote(bob.replaces(second), safe='')}>", line=first)
    play.until(lambda: first.answers("REFER"), "202")
    bob.hangs_up(first)
    play.wait(1)
    assert met(alice, carol)
    carol.hangs_up()
    play.ends(bills=False)


def test_a_party_that_leaves_during_the_joining_ends_the_rest(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    _, first = play.talk(alice, bob)
    second, _ = play.talk(bob, carol)
    carol.sleeps()
    bob.refers(f"<sip:carol@sim?Replaces={quote(bob.replaces(second), safe='')}>", line=first)
    play.wait(0.5)
    alice.hangs_up()
    play.wait(0.1)
    carol.wakes()
    play.wait(1)
    assert ["ended"] * 3 == [line.state for line in (first, second, carol.line)]
    play.ends(bills=False)
    assert 2 == len(play.cdrs)


@pytest.mark.parametrize("who", [0, 1])
def test_a_party_of_a_joined_call_may_transfer_the_other_on(play: Play, who: int) -> None:
    alice, _, carol = take_over(play)
    asker, other = (alice, carol) if who else (carol, alice)
    dave = play.phone("dave")
    asker.refers("<sip:dave@sim>")
    dave.rings()
    play.wait(0.1)
    dave.answers()
    play.until(lambda: asker.line.state == "ended", "the end of who asked")
    play.wait(0.5)
    assert met(other, dave)
    told = [m.body[8:11] for m in asker.line.got("NOTIFY")]
    assert ["100", "180", "200"] == list(dict.fromkeys(told))
    dave.hangs_up()
    play.until(lambda: other.line.state == "ended", "the other end")
    play.ends(bills=False)
    assert 2 == len(play.cdrs)


def test_a_failed_transfer_of_a_joined_call_leaves_it_as_it_was(play: Play) -> None:
    alice, _, carol = take_over(play)
    dave = play.phone("dave")
    alice.refers("<sip:dave@sim>")
    dave.rung()
    dave.declines()
    play.until(lambda: len(alice.line.got("NOTIFY")) == 2, "what came of it")
    assert "486" == alice.line.got("NOTIFY")[-1].body[8:11]
    carol.asks("INFO")
    play.wait(0.3)
    assert alice.line.got("INFO")
    carol.hangs_up()
    play.ends(bills=False)


def test_who_transfers_on_may_hang_up_at_once(play: Play) -> None:
    alice, _, carol = take_over(play)
    dave = play.phone("dave")
    alice.refers("<sip:dave@sim>")
    play.until(lambda: alice.line.answers("REFER"), "202")
    alice.hangs_up()
    dave.rings()
    dave.answers()
    play.until(lambda: carol.line.media == dave.host, "dave's media")
    play.wait(0.5)
    carol.hangs_up()
    play.ends(bills=False)
    assert 2 == len(play.cdrs)


def test_the_other_party_of_a_joined_call_leaves_while_it_is_moved(play: Play) -> None:
    alice, _, carol = take_over(play)
    dave = play.phone("dave")
    alice.refers("<sip:dave@sim>")
    dave.rings()
    carol.hangs_up()
    play.until(lambda: alice.line.state == "ended", "alice's end")
    play.ends(bills=False)
    assert dave.line.got("CANCEL")
    assert 2 == len(play.cdrs)
