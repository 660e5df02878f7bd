"""Licence identifiers by GB/T 36904: ``1.2.156.3005.2.{type}.{issuer}.{serial}.{version}.{check}``.

The type is the defining body's credit code and three digits, the version three digits, the check
character ISO 7064 MOD 37,36 over the four fields without dots. An identifier that exists is right.
"""

import re
from dataclasses import dataclass
from typing import Final

from sanyuan.common.identifiers import IdentifierError, normalise_number

ROOT: Final = "1.2.156.3005.2"
MAX_VERSION: Final = 999
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_SERIAL: Final = re.compile(r"[0-9A-Z]{1,32}")
_IDENTIFIER: Final = re.compile(
    re.escape(ROOT) + r"\.(?P<type>[0-9A-Z]{18}[0-9]{3})\.(?P<issuer>[0-9A-Z]{18})"
    r"\.(?P<serial>[0-9A-Z]{1,32})\.(?P<version>[0-9]{3})\.(?P<check>[0-9A-Z])"
)


@dataclass(frozen=True, slots=True)
class LicenseIdentifier:
    """One version of one licence."""

    type: str
    issuer: str
    serial: str
    version: int

    def __str__(self) -> str:
        fields = (self.type, self.issuer, self.serial, f"{self.version:03}")
        return ".".join((ROOT, *fields, check_character("".join(fields))))


def parse_identifier(text: str) -> LicenseIdentifier:
    """Parse an identifier as somebody wrote it; raises IdentifierError, which quotes nothing."""
    found = _IDENTIFIER.fullmatch(normalise_number(text))
    if found is None or found["version"] == "000":
        raise IdentifierError("a licence identifier has the form of GB/T 36904")
    identifier = LicenseIdentifier(
        found["type"], found["issuer"], found["serial"], int(found["version"])
    )
    if not str(identifier).endswith(found["check"]):
        raise IdentifierError("the check character of the licence identifier is wrong")
    return identifier


def parse_serial(text: str) -> str:
    """The one spelling of a serial number; raises IdentifierError."""
    serial = normalise_number(text)
    if _SERIAL.fullmatch(serial) is None:
        raise IdentifierError("a serial number has 1 to 32 digits and capital letters")
    return serial


def check_character(text: str) -> str:
    """ISO 7064 MOD 37,36 over digits and capital letters."""
    remainder = 36
    for character in text:
        remainder = (remainder + _VALUES[character]) % 36 or 36
        remainder = remainder * 2 % 37
    return _ALPHABET[(37 - remainder) % 36]
