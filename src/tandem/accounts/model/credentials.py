"""What is kept of a SIP password: its HA1 in each digest algorithm, and the rules it must meet. Never the password."""

import hashlib

from msgspec import Struct

from tandem.accounts.model.fields import BadField

PASSWORD_CHARACTERS_LEAST = 12
PASSWORD_CHARACTERS_MOST = 128
_NAME_CHARACTERS_LEAST = 3  # a name of one or two letters is in too many good passwords


class Credentials(Struct, frozen=True):
    """HA1 = H(name:realm:password), RFC 7616 3.4.2, as raw bytes."""

    md5: bytes
    sha256: bytes
    sha512_256: bytes


def check_password(name: str, password: str) -> str:
    """The password, if it meets the rules. Raises BadField naming the rule that it breaks."""
    if len(password) < PASSWORD_CHARACTERS_LEAST:
        raise BadField("password", f"at least {PASSWORD_CHARACTERS_LEAST} characters")
    if len(password) > PASSWORD_CHARACTERS_MOST:
        raise BadField("password", f"at most {PASSWORD_CHARACTERS_MOST} characters")
    if not password.isprintable():
        raise BadField("password", "no control characters")
    if not any(c.isalpha() for c in password):
        raise BadField("password", "needs at least one letter")
    if not any(c.isdigit() for c in password):
        raise BadField("password", "needs at least one digit")
    if len(set(password)) < PASSWORD_CHARACTERS_LEAST // 2:
        raise BadField(
            "password", f"needs at least {PASSWORD_CHARACTERS_LEAST // 2} different characters"
        )
    if len(name) >= _NAME_CHARACTERS_LEAST and name.lower() in password.lower():
        raise BadField("password", "must not contain the user name")
    return password


def make_credentials(name: str, realm: str, password: str) -> Credentials:
    """The HA1s of a password that meets the rules; realm is the tenant's domain. Raises BadField."""
    secret = f"{name}:{realm}:{check_password(name, password)}".encode()
    return Credentials(
        hashlib.md5(secret, usedforsecurity=False).digest(),
        hashlib.sha256(secret).digest(),
        hashlib.new("sha512_256", secret).digest(),
    )
