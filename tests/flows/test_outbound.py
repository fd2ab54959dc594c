"""Phones with several flows, behind proxies, and several phones of one user (RFC 5626, 3327, 5627)."""

from msgspec.structs import replace

from tandem.boundary import Failed
from tandem.calls.model.call import Call
from tandem.calls.model.events import FlowLost
from tandem.routing.model.plan import Plan, Target
from tandem.testing.actor import TCP
from tandem.testing.flows import Play
from tandem.testing.sim.node import flow_of

BOB = "bob@sim"


def flows_of_one_phone(play: Play) -> None:
    """bob and spare are two flows of one instance."""
    play.phone("bob"), play.phone("spare", of="bob")
    both = play.board.contacts_of[BOB]
    play.board.contacts_of[BOB] = tuple(
        replace(contact, instance="<urn:uuid:1>", reg_id=n + 1) for n, contact in enumerate(both)
    )


def test_a_phone_with_two_flows_rings_once(play: Play) -> None:
    alice = play.phone("alice")
    flows_of_one_phone(play)
    one = alice.invites("bob")
    play.actors["bob"].rings()
    play.actors["bob"].answers()
    play.until(lambda: one.state == "talking", "the call")
    assert [] == play.actors["spare"].lines
    alice.hangs_up()
    play.ends()


def test_rfc_5626_7_a_failed_flow_is_followed_by_the_next_of_the_same_phone(play: Play) -> None:
    alice = play.phone("alice")
    flows_of_one_phone(play)
    one = alice.invites("bob")
    play.actors["bob"].rung()
    play.actors["bob"].declines(430)
    play.actors["spare"].rings()
    play.actors["spare"].answers()
    play.until(lambda: one.state == "talking", "the call over the next flow")
    alice.hangs_up()
    play.ends()
    assert 200 == play.cdr.status


def test_a_phone_whose_flows_have_all_failed_is_480_and_never_430(play: Play) -> None:
    alice = play.phone("alice")
    flows_of_one_phone(play)
    one = alice.invites("bob")
    for name in ("bob", "spare"):
        play.actors[name].rung()
        play.actors[name].declines(430)
    play.ends()
    assert [480] == one.finals


def test_a_busy_phone_is_not_asked_again_over_its_other_flow(play: Play) -> None:
    alice = play.phone("alice")
    flows_of_one_phone(play)
    one = alice.invites("bob")
    play.actors["bob"].rung()
    play.actors["bob"].declines(486)
    play.ends()
    assert ([486], []) == (one.finals, play.actors["spare"].lines)


def test_a_flow_that_is_gone_is_passed_over(play: Play) -> None:
    alice = play.phone("alice")
    flows_of_one_phone(play)
    first, second = play.board.contacts_of[BOB]
    gone = replace(first, flow=replace(first.flow, port=0))
    play.board.contacts_of[BOB] = (gone, second)
    one = alice.invites("bob")
    play.actors["spare"].rings()
    play.actors["spare"].answers()
    play.until(lambda: one.state == "talking", "the call")
    alice.hangs_up()
    play.ends()


def test_rfc_3327_a_path_is_the_route_of_what_is_sent_there(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    (contact,) = play.board.contacts_of[BOB]
    path = f"<sip:token@{bob.host}:5060;lr;ob>, <sip:far.example;lr>"
    play.board.contacts_of[BOB] = (replace(contact, path=path),)
    one = alice.invites("bob")
    two = bob.rings()
    routes = [value for name, value in two.invite.headers if name == "Route"]
    assert [f"<sip:token@{bob.host}:5060;lr;ob>", "<sip:far.example;lr>"] == routes
    assert two.invite.start.startswith(f"INVITE {contact.uri} ")
    bob.answers()
    play.until(lambda: one.state == "talking", "the call")
    alice.hangs_up()
    play.ends()


def test_rfc_5627_a_gruu_rings_its_phone_and_no_other(play: Play) -> None:
    alice = play.phone("alice")
    play.phone("bob"), play.phone("desk", of="bob")
    target = Target("user", "sip:bob@sim", aor=BOB, ring_seconds=20, instance="desk")
    play.board.plans["bob"] = Plan("sim", "alice@sim", "alice", "Alice", BOB, ((target,),))
    play.board.plans["bob"] = replace(play.board.plans["bob"], why="a GRUU")
    one = play.actors["alice"].invites("bob")
    play.actors["desk"].rings()
    play.actors["desk"].answers()
    play.until(lambda: one.state == "talking", "the call")
    assert [] == play.actors["bob"].lines
    alice.hangs_up()
    play.ends()


def test_an_address_is_dialled_once(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    alice.invites("bob")
    bob.rings()
    (bound,) = play.board.contacts_of[BOB]
    dialled = (replace(bound, flow=flow_of(1, bob.host, TCP, 0)),)
    play.board.contacts_of[BOB] = dialled
    tried = []
    for _ in range(3):
        n = next(one.n for one in the_call(play).clients if one.why == "invite")
        key = next(iter(play.world.store.rows))
        play.order(FlowLost(Failed(play.clock.now, key, n, False, "flow"), dialled), key)
        play.wait(0.6)
        tried.append(sum(event.what == "moved" for event in the_call(play).story))
    assert [1, 1, 1] == tried
    alice.cancels()
    play.wait(40)


def the_call(play: Play) -> Call:
    play.until(lambda: play.world.nodes[-1].alive, "an owner")
    live = play.world.nodes[-1].shell.find(next(iter(play.world.store.rows)))
    assert live is not None
    assert live.call is not None
    return live.call
