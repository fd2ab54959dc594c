"""Your say in where requests go: one function per kind of request, verdicts kept. It decides nothing by itself.

from tandem.edge.policy import Refuse, Request, To, on

@on("INVITE", by=("source", "uri_user"), seconds=60)
def invite(request: Request) -> To | Refuse | None:
    if request.uri_user.startswith("0190"):
        return Refuse(403, "Not from here")
    return To("carriers" if request.uri_user.startswith("+") else "farm")
"""

from tandem.edge.policy.enum import enum
from tandem.edge.policy.model import Refuse, Request, Rule, To
from tandem.edge.policy.rules import on

__all__ = ["Refuse", "Request", "Rule", "To", "enum", "on"]
