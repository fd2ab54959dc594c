"""Transfers inside one call: REFER, the desk's orders, and calls that a desk starts."""

from tandem.calls.model.events import HangUp, Move
from tandem.calls.model.originate import Originated
from tandem.testing.actor import Actor
from tandem.testing.flows import Play


def frags(phone: Actor) -> list[str]:
    """What its NOTIFYs told, repeats left out."""
    return list(dict.fromkeys(m.body.split("\r\n")[0][8:11] for m in phone.line.got("NOTIFY")))


def test_a_blind_transfer_connects_the_other_party(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, _ = play.talk(alice, bob)
    bob.refers("<sip:carol@sim>", line=bob.line)
    carol.rings()
    play.wait(0.1)
    carol.answers()
    play.until(lambda: bob.line.state == "ended", "bob's end")
    play.wait(0.5)
    assert (carol.host, alice.host) == (one.media, carol.line.media)
    assert [202] == [m.status for m in bob.line.answers("REFER")]
    assert ["100", "180", "200"] == frags(bob)
    carol.hangs_up()
    play.ends(bills=False)
    assert "carol@sim" == play.cdr.answered_by


def test_the_caller_transfers_the_callee(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    alice.refers("<sip:carol@sim>")
    carol.rings()
    carol.answers()
    play.until(lambda: alice.line.state == "ended", "alice's end")
    play.wait(0.5)
    assert (carol.host, bob.host) == (bob.line.media, carol.line.media)
    bob.hangs_up()
    play.ends(bills=False)


def test_a_transfer_that_fails_leaves_the_two_who_talk(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, _ = play.talk(alice, bob)
    bob.refers("<sip:carol@sim>", line=bob.line)
    carol.rings()
    play.wait(0.1)
    carol.declines(486)
    play.wait(1)
    assert ["100", "180", "486"] == frags(bob)
    assert ("talking", "talking") == (one.state, bob.line.state)
    bob.hangs_up()
    play.ends()


def test_the_transferor_may_hang_up_at_once(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, _ = play.talk(alice, bob)
    bob.refers("<sip:carol@sim>", line=bob.line)
    play.until(lambda: bob.line.answers("REFER"), "202")
    bob.hangs_up()
    carol.rings()
    carol.answers()
    play.until(lambda: one.media == carol.host, "carol's media")
    alice.hangs_up()
    play.ends(bills=False)


def test_who_is_left_alone_by_a_failed_transfer_is_hung_up(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, _ = play.talk(alice, bob)
    bob.refers("<sip:carol@sim>", line=bob.line)
    play.until(lambda: bob.line.answers("REFER"), "202")
    bob.hangs_up()
    carol.rings()
    carol.declines(486)
    play.until(lambda: one.state == "ended", "alice's end")
    play.ends(bills=False)
    assert "the transfer failed" == play.cdr.why


def test_the_moved_party_hangs_up_while_the_new_one_rings(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    bob.refers("<sip:carol@sim>", line=bob.line)
    carol.rings()
    alice.hangs_up()
    play.ends(bills=False)
    assert carol.line.got("CANCEL")
    assert "ended" == bob.line.state


def test_a_refer_without_target_is_400(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    bob.asks("REFER", line=bob.line)
    play.wait(0.2)
    assert [400] == [m.status for m in bob.line.answers("REFER")]
    alice.hangs_up()
    play.ends()


def test_a_second_refer_waits(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.talk(alice, bob)
    bob.refers("<sip:carol@sim>", line=bob.line)
    carol.rings()
    bob.refers("<sip:carol@sim>", line=bob.line)
    play.wait(0.3)
    assert [202, 491] == [m.status for m in bob.line.answers("REFER")]
    carol.declines()
    play.wait(0.3)
    alice.hangs_up()
    play.ends()


def test_the_new_party_does_not_answer_in_time(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, _ = play.talk(alice, bob)
    bob.refers("<sip:carol@sim>", line=bob.line)
    carol.rings()
    play.until(lambda: carol.line.state == "ended", "the end of ringing", 25)
    play.wait(0.5)
    assert "408" == frags(bob)[-1]
    assert "talking" == one.state
    bob.hangs_up()
    play.ends()


def test_a_desk_moves_the_callee(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one, _ = play.talk(alice, bob)
    play.order(Move("desk", "caller", "carol", *play.board.plan("carol", "alice")))
    carol.rings()
    carol.answers()
    play.until(lambda: bob.line.state == "ended", "bob's end")
    assert carol.host == one.media
    alice.hangs_up()
    play.ends(bills=False)


def test_a_desk_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.talk(alice, bob)
    play.order(HangUp("carla"))
    play.until(lambda: one.state == two.state == "ended", "both ends")
    play.ends()
    assert ("tandem", "ended by carla") == (play.cdr.ended_by, play.cdr.why)


def test_a_desk_starts_a_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    plan, contacts = play.board.plan("bob", "alice")
    first = play.board.contacts_of["alice@sim"]
    event = Originated(play.clock.now, "00abcdefghjkm", "alice@sim", first, plan, contacts)  # type: ignore[arg-type]
    start(play, event)
    alice.rings()
    alice.answers()
    bob.rings()
    bob.answers()
    play.until(lambda: bob.line.got_ack, "both to talk")
    play.wait(0.5)
    assert (bob.host, alice.host) == (alice.line.media, bob.line.media)
    bob.hangs_up()
    play.ends(bills=False)
    assert 200 == play.cdr.status


def start(play: Play, event: Originated) -> None:
    play.order(event, event.id)


def test_a_started_call_whose_first_phone_declines_ends(play: Play) -> None:
    alice = play.phone("alice")
    play.phone("bob")
    plan, contacts = play.board.plan("bob", "alice")
    first = play.board.contacts_of["alice@sim"]
    start(play, Originated(play.clock.now, "00abcdefghjkm", "alice@sim", first, plan, contacts))  # type: ignore[arg-type]
    alice.rings()
    alice.declines()
    play.ends(bills=False)
    assert 486 == play.cdr.status


def test_a_started_call_whose_second_phone_declines_ends_the_first(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    plan, contacts = play.board.plan("bob", "alice")
    first = play.board.contacts_of["alice@sim"]
    start(play, Originated(play.clock.now, "00abcdefghjkm", "alice@sim", first, plan, contacts))  # type: ignore[arg-type]
    alice.rings()
    alice.answers()
    bob.rings()
    bob.declines()
    play.ends(bills=False)
    assert alice.line.got("BYE")


def test_a_party_whose_ack_is_missing_is_not_transferred(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    alice.acks = False
    alice.invites("bob")
    bob.rings()
    bob.answers()
    play.until(lambda: bob.line.got_ack, "bob's ACK")
    bob.refers("<sip:carol@sim>")
    play.until(lambda: bob.line.answers("REFER"), "the refusal")
    assert [491] == [m.status for m in bob.line.answers("REFER")]
    assert [] == carol.lines
