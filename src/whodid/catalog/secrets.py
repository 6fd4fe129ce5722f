"""Secrets by their look: tokens, private keys, addresses with a password, card numbers inside a text.

Names of fields are judged in `classes`. This is the second net: it finds what somebody pasted into a reason or put
under an innocent name. It knows formats, not entropy, so that an opaque id is never taken for a secret.
"""

from __future__ import annotations

import re

__all__ = ["SHORTEST", "holds_secret", "is_credential", "without_password", "without_secrets"]

SHORTEST = 16
"""No format below is shorter than this many characters: a shorter text need not be searched."""

_REDACTED = "[redacted]"

_CARD = r"(?<!\d\d)\d{3}(?:(?:[ ]\d{4}){3}|(?:-\d{4}){3})(?!\d)"  # as people write it; the checksum is checked later
# Every alternative begins with a literal that is rare in prose and looks back from there. The engine then skips from
# one such character to the next, and lets prose go several times as fast as with patterns that begin with letters.
_FORMATS = re.compile(
    r"""
      J(?<=\beyJ)[\w-]{8,1024}+\.[\w-]{8}                       # JSON web token
    | _(?: (?<=\b[rs]k_)(?:live|test)_\w{16}                   # Stripe
         | (?<=\bgh[opsur]_)[A-Za-z0-9]{30} | (?<=\bgithub_)pat_\w{30}
         | (?<=\bwhsec_)[\w+/=]{16} | (?<=\bnpm_)[A-Za-z0-9]{36} | (?<=\bhf_)[A-Za-z]{30}
         | (?<=\bak_)(?:live|test)_[\w-]{16} | (?<=\bwk_)[\w-]{20}  # whodid and its example workspace
         | (?<=\bshp(?:at|ca|pa|ss)_)[0-9a-fA-F]{32} | (?<=\bdop_)v1_[0-9a-f]{40} | (?<=\blin_)api_\w{32}
         | (?<=\bsbp_)[0-9a-f]{40}
         | (?<=\bpbkdf2_)sha\d+\$\d+\$\S{16} | (?<=\bbcrypt_)sha256\$\S{16}  # Django's password hashes
       )
    | -(?: (?<=\bsk-)[\w-]{20} | (?<=\bglpat-)[\w-]{20} | (?<=\bpypi-)[\w-]{40} | (?<=\bxkeysib-)[\w-]{40}
         | (?<=\bxox[abeoprs]-)[\w-]{15} | (?<=\bxapp-)[\w-]{20}  # Slack
         | (?<=\bGOCSPX-)[\w-]{20} | (?<=\bAGE-)SECRET-KEY-1[0-9A-Z]{40}
         | ----BEGIN\ [A-Z ]*PRIVATE\ KEY(?:\ BLOCK)?-----
           (?:[\s\S]*?-----END\ [A-Z ]*PRIVATE\ KEY(?:\ BLOCK)?-----|[\s\S]*)
       )
    | A(?: (?<=\bA)(?:[KS]IA[0-9A-Z]{16}|Iza[\w-]{35})          # Amazon, Google
         | (?<=\bgA)AAAA[\w-]{60}                              # Fernet
       )
    | 9(?<=\bya29)\.[\w-]{20}
    | S(?<=\bS)G\.[\w-]{16,}\.[\w-]{16}
    | E(?<=\bE)AA[A-Za-z0-9]{40}                               # Meta
    | B(?: (?<=\bB)earer\ [\w.~+/=-]{20} | (?<=\bB)asic\ [A-Za-z0-9+/]{8,}= | (?<=rization:\ B)asic\ [\w+/=]{8}
         | (?<=rization:\ B)earer\ [\w.~+/=-]{8}
       )
    | b(?<=\bb)earer\ [\w.~+/=-]{20}
    | 1(?<=\bwv1)\.[\w-]{20,}\.[\w-]{20}                       # whodid's viewer token
    | \.(?<=\bhvs\.)[\w-]{24}                                  # Vault
    | /(?: (?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/]{20}  # whoever has the address may post there
         | (?<=/api/)webhooks/\d{15,22}/[\w-]{40}             # Discord
       )
    | \$(?: 2[abxy]\$\d\d\$[./A-Za-z0-9]{22} | argon2(?:id|i|d)\$\S{16} | (?<=\bscrypt\$)\d+\$\S{16}
          | [1567y]\$(?:rounds=\d+\$)?[./\w]{4,40}\$[./\w]{20}
       )                                                       # hashes of passwords
    | \{(?:SSHA|SMD5|SHA|CRYPT|PBKDF2)[\w-]{0,16}\}[\w+/=$.]{16}
    | :(?: //[^/\s:@"]*:[^/\s@"]+@                              # password inside an address
         | (?: (?<=passwor[dt]['"]:) | (?<=passwd['"]:) | (?<=secret['"]:) | (?<=[Tt]oken['"]:) | (?<=api_key['"]:)
             | (?<=apiKey['"]:)
           )\ ?['"][^'"]*                                      # … inside JSON that is a text
         | (?<=ookie:)\ ?[^\s=;]+=[^\n]{8,}
         | (?<=\bscrypt:)\d+:\d+:\d+\$\S{16} | (?<=\bpbkdf2:)\w+:\d+\$\S{16}  # Werkzeug's password hashes
       )
    | =(?: (?<=[Tt]oken=) | (?<=api_key=) | (?<=apikey=) | (?<=[Ss]ecret=) | (?<=[Pp]assword=) | (?<=[?&;]sig=)
         | (?<=[Pp]wd=) | (?<=passwd=) | (?<=AccountKey=) | (?<=AccessKey=) | (?<=[Ss]ignature=)
       )[^&\s"]{8}
    """
    + "".join(f"| {digit}{_CARD}" for digit in "3456"),
    re.VERBOSE | re.ASCII,
)
# Up to the last @: a password may hold what it should not, in an address that is none.
_LOGIN = re.compile(r"(://[^/?#:@]*):.*@", re.DOTALL)
_PASSWORD = re.compile(r"([?&](?:ssl)?password)=[^&]*")
_SPACE = re.compile(r"\s")
_HEADS = (
    "eyJ", "sk_", "rk_", "sk-", "ghp", "gho", "ghs", "ghu", "ghr", "git", "glp", "xox", "xap", "AKI", "ASI", "AIz",
    "ya2", "EAA", "whs", "SG.", "npm", "pyp", "hf_", "ak_", "wk_", "wv1", "shp", "dop", "lin", "sbp", "xke", "GOC",
    "AGE", "gAA", "hvs", "$2", "$ar", "pbk", "bcr", "scr",
)  # fmt: skip


def holds_secret(text: str) -> bool:
    """Tell whether a text contains something that has the format of a secret."""
    return len(text) >= SHORTEST and _first(text, 0) is not None


def is_credential(identifier: str) -> bool:
    """Tell whether an identifier is itself a credential; cheaper than `holds_secret`."""
    return identifier.startswith(_HEADS) and holds_secret(identifier)


def without_secrets(text: str) -> str:
    """Return a text with every secret in it replaced by `[redacted]`; the very same text when there is none.

    The whole word goes that the secret stands in, with whatever was glued to it.
    """
    if not holds_secret(text):
        return text
    kept: list[str] = []
    at = 0
    while (match := _first(text, at)) is not None:
        start = max((space.end() for space in _SPACE.finditer(text, at, match.start())), default=at)
        space_after = _SPACE.search(text, match.end())
        end = len(text) if space_after is None else space_after.start()
        kept += text[at:start], _REDACTED
        at = end
    return "".join(kept) + text[at:]


def without_password(address: str) -> str:
    """Return the address of a database or server with `***` in the place of a password, for messages.

    Args:
        address: As somebody wrote it; it need not be one.
    """
    return _PASSWORD.sub(r"\1=***", _LOGIN.sub(r"\1:***@", address))


def _first(text: str, start: int) -> re.Match[str] | None:
    match = _FORMATS.search(text, start)
    while match is not None and match[0][0] in "3456" and not _luhn(match[0]):
        match = _FORMATS.search(text, match.end())
    return match


def _luhn(number: str) -> bool:
    """Check the last digit of a card number (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
