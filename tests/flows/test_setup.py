"""Setting a call up and not: offers, early media, refusals, CANCEL and its races."""

import pytest

from tandem.routing.model.plan import Refusal
from tandem.testing.flows import Play


def test_an_early_offer_is_answered_and_the_media_meet(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    assert (bob.host, alice.host) == (one.media, two.media)
    play.wait(3)
    alice.hangs_up()
    play.ends()
    assert ("caller", "hung up", 200) == (play.cdr.ended_by, play.cdr.why, play.cdr.status)


def test_a_late_offer_is_answered_in_the_ack(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", offer=False)
    two = bob.rings()
    assert "" == two.invite.body
    bob.answers()
    play.until(lambda: two.got_ack, "the ACK with the answer")
    assert (bob.host, alice.host) == (one.media, two.media)
    bob.hangs_up()
    play.ends()


def test_early_media_reaches_the_caller(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    bob.rings(183, sdp=True)
    play.until(lambda: one.media == bob.host, "early media")
    assert 183 in one.statuses()
    bob.rings(180)
    bob.answers()
    play.wait(1)
    alice.hangs_up()
    play.ends()


def test_a_decline_is_the_callers_final_response(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    bob.rings()
    bob.declines(486)
    play.ends()
    assert [486] == one.finals
    assert (486, "busy") == (play.cdr.status, play.cdr.why)


def test_a_cancel_ends_the_ringing(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    alice.cancels()
    play.ends()
    assert [487] == one.finals
    assert "ended" == two.state
    assert "cancelled" == play.cdr.why


def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    play.wait(0.1)
    bob.sleeps()
    alice.cancels()
    play.wait(0.1)
    bob.answers(line=two)  # our CANCEL is on its way to him
    bob.wakes()
    play.ends(bills=False)
    assert [487] == one.finals
    assert two.got_ack and two.got("BYE")


def test_a_cancel_after_the_answer_changes_nothing(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    bob.rings()
    play.wait(0.1)
    alice.sleeps()
    bob.answers()
    play.wait(0.1)
    alice.cancels()
    alice.wakes()
    play.ends()
    assert [200] == one.finals
    assert bob.line.got("BYE")


def test_a_bye_in_the_early_dialog_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    play.until(lambda: one.dialogs, "a dialog")
    one.gave_up = True
    alice.asks("BYE")
    play.ends()
    assert [487] == one.finals
    assert "ended" == two.state


def test_nobody_answers_and_the_caller_hears_480_in_time(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    bob.rings()
    play.until(lambda: one.finals, "a final response", 25)
    assert [480] == one.finals
    play.ends()
    assert bob.line.state == "ended"
    assert "no answer" == play.cdr.why


def test_max_forwards_at_its_end_is_483(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", ("Max-Forwards", "0"))
    play.ends()
    assert ([483], []) == (one.finals, bob.lines)


def test_max_forwards_goes_down_by_one(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    alice.invites("bob", ("Max-Forwards", "23"))
    assert "22" == bob.rung().invite.get("Max-Forwards")
    bob.declines()
    play.ends()


def test_a_caller_of_rfc_2543_without_contact_is_called_back_by_its_from(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", ("Contact", ""))
    bob.rings()
    bob.answers()
    play.wait(1)
    bob.hangs_up()
    play.ends()
    assert [200] == one.finals
    assert "BYE sip:alice@sim SIP/2.0" == alice.heard[-1].start
    assert ("callee", 200) == (play.cdr.ended_by, play.cdr.status)


def test_an_unknown_extension_is_420_and_named(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", ("Require", "telepathy"))
    play.ends()
    assert [420] == one.finals
    assert "telepathy" == one.heard[-1].get("Unsupported")
    assert [] == bob.lines


def test_a_merged_request_is_482_while_a_spiral_is_a_second_call(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    first = alice.invites("bob")
    bob.rings()
    merged = alice.invites("bob", call_id=first.call_id, tag=first.local_tag)
    play.until(lambda: merged.finals, "the refusal")
    assert [482] == merged.finals
    spiral = alice.invites("carol", call_id=first.call_id, tag=first.local_tag)
    carol.rings()
    bob.declines()
    carol.declines(480)
    play.wait(10)
    assert ([486], [480]) == (first.finals, spiral.finals)
    assert 3 == len(play.cdrs)


def test_a_refusal_by_routing_is_said_as_it_is(play: Play) -> None:
    alice = play.phone("alice")
    play.board.plans["900"] = Refusal(
        403, "Forbidden", "premium numbers are barred", "sim", "alice@sim", "900"
    )
    one = alice.invites("900")
    play.ends()
    assert ([403], "premium numbers are barred") == (one.finals, play.cdr.why)


@pytest.mark.parametrize("missing", ["bob", "nobody"])
def test_a_user_without_a_phone_is_480(play: Play, missing: str) -> None:
    alice = play.phone("alice")
    one = alice.invites(missing)
    play.ends()
    assert [480] == one.finals


def test_a_repeated_answer_gets_the_ack_again(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    before = len([m for m in bob.heard if m.method == "ACK" and not m.status])
    bob.say(next(m for m in bob.said if m.status == 200 and m.method == "INVITE"))
    play.wait(0.2)
    acks = [m for m in bob.heard if m.method == "ACK" and not m.status]
    assert before + 1 == len(acks)
    assert acks[0].bytes() == acks[-1].bytes()
    bob.hangs_up()
    play.ends()


def test_both_hang_up_at_once(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    play.wait(2)
    alice.hangs_up()
    bob.hangs_up()
    play.ends()
    assert [200] == [m.status for m in alice.line.answers("BYE")]


def test_an_answer_that_nobody_acknowledges_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    alice.acks = False
    alice.invites("bob")
    bob.rings()
    bob.answers()
    play.wait(40)
    assert bob.line.got("BYE")
    assert "no ACK" == play.cdr.why
