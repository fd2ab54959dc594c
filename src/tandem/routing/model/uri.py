"""Reads user and host out of SIP and tel URIs and of From values, as far as routing looks. Never raises."""

from re import compile as pattern

_ESCAPE = pattern(r"%([0-9A-Fa-f]{2})")


def split_uri(uri: str) -> tuple[str, str]:
    """User and host (lower case, without port) of a sip:, sips: or tel: URI; ("", "") of anything else."""
    scheme, _, rest = uri.partition(":")
    if scheme != "sip" and scheme != "sips":
        scheme = scheme.lower()
        if scheme == "tel":
            return rest.partition(";")[0], ""
        if scheme != "sip" and scheme != "sips":
            return "", ""
    user, at, host = rest.partition("@")
    if not at:
        user, host = "", rest
    elif ";" in user or ":" in user:  # user parameters (RFC 3261 19.1.1 phone-context) and password
        user = user.partition(";")[0].partition(":")[0]
    if "%" in user:
        user = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), user)
    return user, _host(host)


def split_name_addr(value: str) -> tuple[str, str]:
    """Display name and URI of a From, To or P-Asserted-Identity value (the first, if there are several)."""
    if value.startswith('"'):
        end = _closing_quote(value)
        name, rest = value[1:end].replace("\\", ""), value[end + 1 :]
        start = rest.find("<")
    else:
        start = value.find("<")
        name, rest = value[:start].strip() if start > 0 else "", value
    if start < 0:
        return "", value.partition(";")[0].strip()
    return name, rest[start + 1 :].partition(">")[0]


def wire(text: str) -> str:
    """Text as SIP text: one character per byte, as the boundary wants it."""
    return text if text.isascii() else text.encode().decode("latin-1")


def _host(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0].lower()
    for mark in "?;:":
        if mark in text:
            text = text.partition(mark)[0]
    return text.lower()


def _closing_quote(value: str) -> int:
    at = 1
    while at < len(value):
        if value[at] == "\\":
            at += 1
        elif value[at] == '"':
            return at
        at += 1
    return len(value)
