"""Several phones at once and one after the other: who wins, what the losers hear, which refusal the caller gets."""

from tandem.boundary import Flow
from tandem.testing.flows import Play


def test_the_first_phone_to_answer_wins_and_the_others_are_cancelled(play: Play) -> None:
    alice, desk, soft = (
        play.phone("alice"),
        play.phone("desk", of="bob"),
        play.phone("soft", of="bob"),
    )
    one = alice.invites("bob")
    desk.rings()
    soft.rings()
    soft.answers()
    play.until(lambda: desk.line.state == "ended", "the desk phone to stop")
    play.until(lambda: one.state == "talking", "the answer")
    assert soft.host == one.media
    soft.hangs_up()
    play.ends()


def test_two_answers_at_once_leave_one_call(play: Play) -> None:
    alice, desk, soft = (
        play.phone("alice"),
        play.phone("desk", of="bob"),
        play.phone("soft", of="bob"),
    )
    one = alice.invites("bob")
    desk.rings()
    soft.rings()
    soft.answers()
    desk.answers()
    play.until(lambda: one.state == "talking", "the answer")
    play.wait(1)
    assert 1 == sum(phone.line.state == "talking" for phone in (desk, soft))
    alice.hangs_up()
    play.ends(bills=False)
    assert [200] == one.finals


def test_the_best_refusal_is_the_one_the_caller_hears(play: Play) -> None:
    alice, desk, soft = (
        play.phone("alice"),
        play.phone("desk", of="bob"),
        play.phone("soft", of="bob"),
    )
    one = alice.invites("bob")
    desk.rings()
    soft.rings()
    desk.declines(480)
    play.wait(0.1)
    assert [] == one.finals
    soft.declines(486)
    play.ends()
    assert [486] == one.finals


def test_a_6xx_stops_every_phone(play: Play) -> None:
    alice, desk, soft = (
        play.phone("alice"),
        play.phone("desk", of="bob"),
        play.phone("soft", of="bob"),
    )
    one = alice.invites("bob")
    desk.rings()
    soft.rings()
    desk.declines(603)
    play.ends()
    assert [603] == one.finals
    assert soft.line.got("CANCEL")


def test_stages_ring_one_after_the_other(play: Play) -> None:
    from msgspec.structs import replace

    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.board.stages["team"] = (("bob",), ("carol",))
    play.board.targets["carol"] = replace(play.board.target("carol"), on="busy", after=0)
    one = alice.invites("team")
    bob.rings()
    assert [] == carol.lines
    bob.declines(486)
    carol.rings()
    carol.answers()
    play.until(lambda: one.state == "talking", "the answer")
    carol.hangs_up()
    play.ends()
    assert ("bob@sim 486", "carol@sim 200") == play.cdr.tried


def test_a_redirection_rings_its_contact(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one = alice.invites("bob")
    bob.rings()
    bob.declines(302, ("Contact", "<sip:carol@sim>"))
    carol.rings()
    carol.answers()
    play.until(lambda: one.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()


def test_two_phones_that_send_each_other_the_call_do_not_ring_for_ever(play: Play) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    one = alice.invites("bob")
    for _ in range(12):
        play.wait(0.1)
        for phone, other in ((bob, "carol"), (carol, "bob")):
            for line in phone.lines:
                if line.state == "calling":
                    phone.declines(302, ("Contact", f"<sip:{other}@sim>"), line=line)
    play.wait(5)
    assert 1 == len(one.finals)
    assert one.finals[0] >= 400
    assert len(bob.lines) + len(carol.lines) <= 7
    for phone in (bob, carol):
        phone.ghosts = 0
    play.ends()


def test_a_fork_behind_one_contact_shows_as_two_early_dialogs(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    bob.rings(tag="upstairs")
    bob.rings(tag="downstairs", line=bob.line)
    play.until(lambda: len(one.dialogs) == 2, "two dialogs at the caller")
    bob.answers(tag="downstairs")
    play.until(lambda: one.state == "talking", "the answer")
    assert one.dialogs[one.local_tag, one.heard[-1].to_tag].state == "talking"
    play.wait(1)
    bob.line.dialogs.pop(("upstairs", bob.line.invite.from_tag))
    alice.hangs_up()
    play.ends()
    assert "downstairs" == bob.line.got("BYE")[0].to_tag


def test_a_second_answer_from_behind_one_contact_is_acknowledged_and_ended(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    bob.rings(tag="upstairs")
    bob.answers(tag="upstairs")
    play.wait(0.05)
    bob.answers(tag="downstairs", line=bob.line)
    play.until(lambda: bob.line.got("BYE"), "the BYE to the second one")
    assert ["downstairs"] == [bye.to_tag for bye in bob.line.got("BYE")]
    play.wait(1)
    assert "talking" == one.state
    alice.hangs_up()
    play.ends()
    assert ["downstairs", "upstairs"] == [bye.to_tag for bye in bob.line.got("BYE")]


def test_the_caller_who_cancels_stops_every_phone(play: Play) -> None:
    alice, desk, soft = (
        play.phone("alice"),
        play.phone("desk", of="bob"),
        play.phone("soft", of="bob"),
    )
    alice.invites("bob")
    desk.rings()
    soft.rings()
    alice.cancels()
    play.ends()
    assert desk.line.got("CANCEL") and soft.line.got("CANCEL")


def test_a_phone_that_is_gone_does_not_stop_the_other(play: Play) -> None:
    from tandem.calls.model.call import Contact

    alice, soft = play.phone("alice"), play.phone("soft", of="bob")
    gone = Contact(
        "sip:old@10.0.0.77:5060;transport=tcp", Flow(1, 77, 2, 1, "10.0.0.77", 5060), instance="old"
    )
    play.board.contacts_of["bob@sim"] = (gone, *play.board.contacts_of["bob@sim"])
    one = alice.invites("bob")
    soft.rings()
    soft.answers()
    play.until(lambda: one.state == "talking", "the answer")
    soft.hangs_up()
    play.ends()
