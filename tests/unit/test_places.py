"""Which phone a leg's is, when one has registered anew and others of the same user have too (RFC 5626)."""

from msgspec.structs import replace

from tandem.calls.model import places
from tandem.calls.model.call import CONFIRMED, Contact, Leg
from tandem.testing.sim.node import flow_of


def leg(bound: str, instance: str = "", target: str = "") -> Leg:
    flow = flow_of(1, "10.0.0.1", 2, 7)
    return Leg(
        "b0", "a0", CONFIRMED, "c", "<sip:x>", "t", "<sip:y>", "u", target or bound, (), flow, 1, 1, aor="bob@sim",
        instance=instance, bound=bound,
    )  # fmt: skip


def at(uri: str, host: str, connection: int = 8, instance: str = "") -> Contact:
    return Contact(uri, flow_of(1, host, 2, connection), instance=instance)


def test_of_several_phones_without_instance_the_one_with_the_legs_contact_is_asked() -> None:
    own, other = at("sip:bob@10.0.0.1:4000", "10.0.0.1"), at("sip:bob@10.0.0.2", "10.0.0.2")
    assert [own] == places.phone_of(leg("sip:bob@10.0.0.1:4000"), (other, own))
    assert [own] == places.phone_of(leg("sip:bob@10.0.0.1:3999"), (other, own)), "another port"
    moved = at("sip:bob-7@10.9.9.9", "10.9.9.9")
    assert [moved] == places.phone_of(leg("sip:bob-7@10.0.0.1"), (other, moved)), "another address"


def test_another_phone_of_the_same_user_is_never_taken_for_it() -> None:
    other, third = at("sip:bob@10.0.0.2", "10.0.0.2"), at("sip:bob@10.0.0.3", "10.0.0.3")
    assert [] == places.phone_of(leg("sip:bob-7@10.0.0.1"), (other, third))
    named = at("sip:bob@10.0.0.1", "10.0.0.1", instance="<urn:uuid:2>")
    assert [] == places.phone_of(leg("sip:bob@10.0.0.1", "<urn:uuid:1>"), (named, other))
    gone = replace(at("sip:bob@10.0.0.1", "10.0.0.1"), flow=flow_of(1, "10.0.0.1", 2, 0))
    gone = replace(gone, flow=replace(gone.flow, port=0))
    assert [] == places.phone_of(leg("sip:bob@10.0.0.1"), (gone, other)), "it is not back yet"
