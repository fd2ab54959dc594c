"""Turns what was dialled into E.164 as a tenant's country dials, and E.164 into what a carrier wants. No lookups."""

from tandem.accounts.model.account import Tenant

DIGITS_MOST = 15  # E.164 6.1; longer ones are not telephone numbers
_SEPARATORS = str.maketrans("", "", "-.() ")  # RFC 3966 visual-separator, and blanks
FORMATS = ("e164", "digits", "national")


def normalise(text: str, tenant: Tenant) -> str:
    """E.164 with "+", or the digits as dialled when short (or no country is known); "" when it is no number."""
    if not text.isdigit():
        text = text.translate(_SEPARATORS)
    if text.startswith("+"):
        digits = text[1:]
        return text if _plausible(digits) else ""
    if text[:1] in ("*", "#"):
        return text if len(text) <= DIGITS_MOST else ""
    if not (text.isascii() and text.isdigit()):
        return ""
    abroad, trunk, country = (
        tenant.international_prefix,
        tenant.national_prefix,
        tenant.country_code,
    )
    if abroad and text.startswith(abroad):
        digits = text[len(abroad) :]
        return "+" + digits if _plausible(digits) else ""
    if len(text) <= tenant.short_digits or not country:
        return text if len(text) <= DIGITS_MOST else ""
    if trunk and text.startswith(trunk):
        digits = country + text[len(trunk) :]
    else:
        digits = country + tenant.area_code + text
    return "+" + digits if _plausible(digits) else ""


def format_number(
    number: str, tenant: Tenant, format: str, strip: int = 0, prefix: str = ""
) -> str:
    """A normalised number as a carrier wants it. Short numbers keep their digits in every format."""
    match format:
        case "e164":
            text = number
        case "national" if tenant.country_code and number.startswith("+" + tenant.country_code):
            text = tenant.national_prefix + number[1 + len(tenant.country_code) :]
        case "national" if number.startswith("+"):
            text = tenant.international_prefix + number[1:]
        case _:
            text = number.removeprefix("+")
    return prefix + text[strip:]


def _plausible(digits: str) -> bool:
    return 0 < len(digits) <= DIGITS_MOST and digits.isascii() and digits.isdigit()
