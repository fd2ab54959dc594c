"""Who may use console and HTTP interface: logins with a role and a scrypt hash, and tokens kept as hashes. No sessions."""

import hashlib
import hmac

from msgspec import Struct

from tandem.accounts.model.credentials import check_password
from tandem.accounts.model.fields import BadField, parse_name

ROLES = ("admin", "operator", "user")  # each may do what those after it may
TOKEN_CHARACTERS_LEAST = 32
# scrypt: 16 MiB and some 50 ms a try (RFC 7914 2)
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 14, 8, 1
SALT_BYTES = 16


class Login(Struct, frozen=True):
    """A person at the console. tenant "": every tenant (admin and operator of the whole platform)."""

    name: str
    role: str
    tenant: str = ""
    user: str = ""  # role user: whose own settings and calls
    enabled: bool = True
    created_at: int = 0  # microseconds since 1970


class Token(Struct, frozen=True):
    """A program at the HTTP interface. `hash` is SHA-256: a token is random, so nothing slower is needed."""

    id: str
    hash: bytes
    role: str
    tenant: str = ""
    note: str = ""
    created_at: int = 0
    expires_at: int = 0  # 0: never


def check_login(login: Login) -> Login:
    parse_name(login.name, "name")
    parse_role(login.role)
    if login.role == "user" and not (login.tenant and login.user):
        raise BadField("user", "role user needs tenant and user")
    return login


def parse_role(text: str) -> str:
    if text not in ROLES:
        raise BadField("role", f"one of {', '.join(ROLES)}, not {text[:20]!r}")
    return text


def may(role: str, needed: str) -> bool:
    """Whether a role may do what `needed` may."""
    return role in ROLES and ROLES.index(role) <= ROLES.index(needed)


def hash_password(name: str, password: str, salt: bytes) -> bytes:
    """Salt and scrypt hash, to be stored. Raises BadField when the password breaks a rule."""
    return salt + _scrypt(check_password(name, password), salt)


def password_fits(password: str, stored: bytes) -> bool:
    """Whether the password is the one that was stored; takes as long when it is not."""
    return hmac.compare_digest(_scrypt(password, stored[:SALT_BYTES]), stored[SALT_BYTES:])


def hash_token(token: str) -> bytes:
    if len(token) < TOKEN_CHARACTERS_LEAST:
        raise BadField("token", f"at least {TOKEN_CHARACTERS_LEAST} characters")
    return hashlib.sha256(token.encode()).digest()


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, dklen=32
    )
