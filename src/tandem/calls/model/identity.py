"""Who is calling, as the callee may see it: From, P-Asserted-Identity, Privacy, Diversion, History-Info, header rules."""

from msgspec import Struct

from tandem.calls.model import text
from tandem.calls.model.call import Call
from tandem.routing.model.plan import HeaderRule, Target

CAUSES = {"user-busy": 486, "no-answer": 408, "unconditional": 302}  # RFC 4458, RFC 7044
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'  # RFC 3323 4.1


class Shown(Struct, frozen=True):
    from_: str
    lines: str


def shown(call: Call, target: Target) -> Shown:
    """The From value and the identity header lines for one target."""
    caller = call.caller
    domain = (
        target.from_host
        or call.callee.partition("@")[2]
        or caller.identity.partition("@")[2]
        or "anonymous.invalid"
    )
    if caller.identity.startswith("trunk:") or target.kind == "user":
        domain = target.from_host or target.aor.partition("@")[2] or domain
    user = target.from_user or caller.number
    private = text.tokens(caller.special.get("privacy")) - {"none"}
    hide = bool(private & {"id", "user", "header"})
    asserted = f"{text.quoted(caller.name)} <sip:{caller.number}@{domain}>".strip()
    lines = ""
    if target.asserted:  # RFC 3325: a trusted peer learns who it is, and honours Privacy itself
        for identity in caller.special.get("p-asserted-identity", ()) if caller.trusted else ():
            lines += f"P-Asserted-Identity: {identity}\r\n"
        if not lines and caller.number:
            lines = f"P-Asserted-Identity: {asserted}\r\n"
        for value in caller.special.get("privacy", ()):
            lines += f"Privacy: {value}\r\n"
    lines += history(call, target)
    if hide or not user:
        return Shown(ANONYMOUS, lines)
    return Shown(f"{text.quoted(caller.name)} <sip:{user}@{domain}>".strip(), lines)


def history(call: Call, target: Target) -> str:
    """What came before (RFC 7044, RFC 5806): passed on, in the form that the target wants."""
    if target.diversion == "none":
        return ""
    lines = ""
    for name, header in (("history-info", "History-Info"), ("diversion", "Diversion")):
        if target.diversion in (name, "both"):
            for value in call.caller.special.get(name, ()):
                lines += f"{header}: {value}\r\n"
    domain = call.callee.partition("@")[2] or target.from_host or "anonymous.invalid"
    for index, moved in enumerate(target.diverted, 1):
        uri = f"sip:{moved.number}@{moved.by.partition('@')[2] or domain}"
        if target.diversion in ("history-info", "both"):
            lines += f"History-Info: <{uri}?Reason=SIP%3Bcause%3D{CAUSES.get(moved.reason, 302)}>;index={'.'.join(['1'] * index)}\r\n"
        if target.diversion in ("diversion", "both"):
            lines += f"Diversion: <{uri}>;reason={moved.reason};counter=1\r\n"
    return lines


def apply(rules: tuple[HeaderRule, ...], lines: str) -> str:
    """Header rules of a trunk over complete header lines."""
    for rule in rules:
        name = rule.name.lower()
        if rule.do in ("drop", "set"):
            lines = "".join(
                line for line in whole_lines(lines) if line.split(":", 1)[0].strip().lower() != name
            )
        if rule.do in ("add", "set"):
            lines += f"{rule.name}: {rule.value}\r\n"
    return lines


def whole_lines(lines: str) -> list[str]:
    """Header lines with their folds."""
    found: list[str] = []
    for line in lines.splitlines(keepends=True):
        if line[:1] in " \t" and found:
            found[-1] += line
        else:
            found.append(line)
    return found
