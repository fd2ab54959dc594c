"""Where the phone of a leg is now, among all bindings of its user; and its other flows (RFC 5626). It sends nothing."""

from collections.abc import Iterable

from tandem.boundary import Flow
from tandem.calls.model import text
from tandem.calls.model.call import Attempt, Contact, Leg
from tandem.calls.model.draft import Draft


def rung(contacts: Iterable[Contact], instance: str = "") -> list[Contact]:
    """Whom an INVITE to a user asks: each phone once, by the best of its flows (RFC 5626 7); or the one that a GRUU names."""
    chosen: list[Contact] = []
    for contact in contacts:
        if instance and contact.instance.strip("<>") != instance:
            continue
        at = next((n for n, other in enumerate(chosen) if is_flow_of(other, contact)), -1)
        if at < 0:
            chosen.append(contact)
        elif not chosen[at].flow.port and contact.flow.port:  # a flow that is gone
            chosen[at] = contact
    return chosen


def way_to(contact: Contact) -> tuple[tuple[str, ...], Flow]:
    """Route values and flow of a first request to a binding: by its Path where it has one (RFC 3327 5.3)."""
    routes = tuple(text.commas(contact.path)) if contact.path else ()
    return routes, text.next_hop(text.uri_of(routes[0]), contact.flow) if routes else contact.flow


def is_flow_of(one: Contact, other: Contact) -> bool:
    """Whether both are flows of one instance."""
    return bool(one.reg_id and other.reg_id) and one.instance == other.instance


def next_flow(draft: Draft, attempt: Attempt) -> Contact | None:
    """Another flow of the phone that an attempt asked, not asked yet in this call."""
    tried = [other.contact.flow for other in draft.attempts.values()]
    bindings = draft.call.contacts.get(attempt.target.aor, ())
    return next(
        (
            contact
            for contact in bindings
            if is_flow_of(contact, attempt.contact)
            and contact.flow.port
            and contact.flow not in tried
        ),
        None,
    )


def phone_of(leg: Leg, contacts: Iterable[Contact]) -> list[Contact]:
    """The bindings that are the phone of this leg, those that can be reached; best first.

    Several phones of one user without +sip.instance are told apart by their Contact URI; its port changes with a
    connection, its address when the phone moves.
    """
    if leg.instance:
        own = [contact for contact in contacts if contact.instance == leg.instance]
        return [contact for contact in own if contact.flow.port]
    everyone = list(contacts)
    plain = [contact for contact in everyone if not contact.instance]
    known = [text.place_of(uri) for uri in (leg.bound, leg.target) if uri]
    for parts in (3, 2):  # user, host and port; then without the port
        alike = [c for c in plain if text.place_of(c.uri)[:parts] in [k[:parts] for k in known]]
        if alike:
            return [contact for contact in alike if contact.flow.port]
    alike = [c for c in plain if text.place_of(c.uri)[0] in [k[0] for k in known]]
    found = alike if len(alike) == 1 else everyone if len(everyone) == 1 else []
    return [contact for contact in found if contact.flow.port]


def of_caller(draft: Draft) -> Contact | None:
    """The binding that a caller's INVITE came from: the same connection or address, or the same Contact."""
    caller, server = draft.call.caller, draft.servers[draft.call.invite]
    place = text.place_of(text.uri_of(caller.contact))
    bindings = draft.call.contacts.get(caller.identity, ())
    here = (server.flow.edge, server.flow.connection, server.flow.host, server.flow.port)
    for contact in bindings:
        flow = contact.flow
        if (flow.edge, flow.connection, flow.host, flow.port) == here:
            return contact
    return next((c for c in bindings if text.place_of(c.uri) == place), None)
