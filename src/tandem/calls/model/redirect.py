"""A callee says where else to ask (3xx): its contacts are rung in its place, as routing allows."""

from tandem.boundary import Request, Response
from tandem.calls.model import finish, transfer
from tandem.calls.model.call import SETUP
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Rerouted
from tandem.routing.model.plan import Refusal

REDIRECTS_PER_CALL = 5


def rerouted(draft: Draft, event: Rerouted) -> None:
    if isinstance(event.cause, Request):
        transfer.referred(draft, event)
        return
    redirected(draft, event.cause, event)


def redirected(draft: Draft, response: Response, event: Rerouted) -> None:
    from tandem.calls.model.setup import try_target

    attempt = draft.attempts.get(response.n)
    if attempt is None or attempt.status >= 200 or attempt.cancelled or draft.call.state != SETUP:
        finish.failed(draft, response)
        return
    depth = attempt.depth + 1
    if isinstance(event.plan, Refusal) or depth > REDIRECTS_PER_CALL or not event.plan.stages:
        draft.close(response.n)
        finish.attempt_failed(draft, attempt, 480, "redirected to nowhere")
        return
    draft.set(contacts={**draft.call.contacts, **event.contacts})
    for target in event.plan.stages[0]:
        try_target(draft, target, attempt.stage, depth=depth)
    draft.note("redirected", f"{attempt.target.aor or attempt.target.trunk} to {event.plan.callee}")
    draft.close(response.n)
    finish.attempt_failed(draft, attempt, response.status, "redirected")
