"""Makes the random parts of accounts: passwords, salts, tokens. The shell of the room; stores nothing."""

import secrets
import string

from tandem.accounts.model.credentials import check_password
from tandem.accounts.model.fields import BadField
from tandem.accounts.model.login import SALT_BYTES, Token, hash_password, hash_token, parse_role

PASSWORD_CHARACTERS = 20  # about 115 bits of the alphabet below
_ALPHABET = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lI")


def random_password(name: str = "") -> str:
    """A password that meets the rules for this user name, without characters that look alike."""
    while True:
        password = "".join(secrets.choice(_ALPHABET) for _ in range(PASSWORD_CHARACTERS))
        try:
            return check_password(name, password)
        except BadField:
            continue


def make_login_hash(name: str, password: str) -> bytes:
    """What to store of a console password. About 50 ms: call it in a thread. Raises BadField."""
    return hash_password(name, password, secrets.token_bytes(SALT_BYTES))


def make_token(
    role: str, now: int, *, tenant: str = "", note: str = "", expires_at: int = 0
) -> tuple[str, Token]:
    """A new token: the text to show once, and what is stored of it."""
    text = "tdm_" + secrets.token_urlsafe(32)
    token = Token(
        secrets.token_hex(6), hash_token(text), parse_role(role), tenant, note, now, expires_at
    )
    return text, token
