"""Where calls go, in Python: `[policy] file = "policy.py"` in edge.toml. Changed? `tandem edge reload`."""

from tandem.edge.policy import Refuse, Request, To, on

EXPENSIVE = ("0190", "0900", "+49190", "+49900")
OFFICE = "10.1."


@on("INVITE", by=("source", "uri_user"), seconds=60)
def invite(request: Request) -> To | Refuse | None:
    """The verdict is kept for a minute for the same source and number: it may depend on nothing else."""
    if request.uri_user.startswith(EXPENSIVE):
        return Refuse(403, "Not from here")
    if request.uri_user.startswith("+"):
        return To("carriers", remove=("P-Asserted-Identity",))
    if request.source.startswith(OFFICE):
        return To("farm", add={"X-Office": "yes"})
    return None  # as the routes of edge.toml say
