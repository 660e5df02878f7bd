"""Identifiers of people and organisations: GB 11643, GB 32100 with GB 11714, names, mobiles.

Invariants: a value that exists is normalised, so two spellings of one identifier are equal; no
error quotes what it was given, because that is personal data and errors end up in logs.

Check character and birth date of a citizen number are hard rules. The region is advice only:
regions were abolished and merged, and 81, 82, 83 and 9x exist. Some genuine early credit codes fail
their checks: those are `questionable`, never rejected.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from operator import mul
from typing import Final

from sanyuan.common.errors import SanyuanError

MAX_NAME_CHARACTERS: Final = 200

# GB 11643-1999, 4.3 and annex A (ISO 7064 MOD 11-2).
_CITIZEN_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CITIZEN_CHECKS: Final = "10X98765432"
_CITIZEN = re.compile(r"[0-9]{17}[0-9X]")
_CITIZEN_LEGACY = re.compile(r"[0-9]{15}")
_LEGACY_CENTURY: Final = "19"
# GB/T 2260, first two digits; 81 to 83 are residents of Hong Kong, Macao and Taiwan, 9x foreigners.
_PROVINCE = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|9[0-9]")

# GB 32100-2015, 5 and annex B: no I, O, S, V, Z; weights are the powers of 3 modulo 31.
CREDIT_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_VALUES: Final = {character: value for value, character in enumerate(CREDIT_ALPHABET)}
_CREDIT_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))
_CREDIT = re.compile(rf"[{CREDIT_ALPHABET}]{{18}}")

# GB 11714-1997, 3: A counts 10 … Z counts 35.
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_CHECKS: Final = "0123456789X"

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_MOBILE_PREFIX = re.compile(r"^(?:\+|00)?86(?=1)")

_HALF_WIDTH: Final = {0x3000: " "} | {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_SPACES = re.compile(r"\s+")
_MOBILE_SPACING = re.compile(r"[\s()-]+")
# · is what GB/T and household registers write; the rest is what keyboards and fonts make of it.
_MIDDLE_DOTS: Final = dict.fromkeys(map(ord, "·•‧∙⋅・･"), "·")
_INVISIBLE: Final = dict.fromkeys(
    (0x00AD, *range(0x200B, 0x2010), 0x2060, *range(0xFE00, 0xFE10), 0xFEFF)
)
# A space means something only between two words of a script that writes spaces.
_IDLE_SPACE = re.compile(r"(?<=[^\x21-\x7e\u00c0-\u024f]) | (?=[^\x21-\x7e\u00c0-\u024f])")
_HAS_TEXT = re.compile(r"\w")


class IdentifierError(SanyuanError):
    """A text cannot be the identifier that it is given as."""


@dataclass(frozen=True, slots=True)
class CitizenNumber:
    """A citizen number of 18 characters (GB 11643) whose check and birth date hold."""

    text: str

    @property
    def region(self) -> str:
        """Six digits of GB/T 2260: where the number was first issued. Advice only."""
        return self.text[:6]

    @property
    def birth_date(self) -> date:
        """The holder's birth date as registered."""
        return _birth_date(self.text)

    @property
    def is_region_known(self) -> bool:
        """Whether the province part was ever assigned; never a reason to reject."""
        return _PROVINCE.match(self.text) is not None


@dataclass(frozen=True, slots=True)
class CreditCode:
    """A unified social credit code (GB 32100) of the right form."""

    text: str
    questionable: bool = False
    """Whether one of the two checks fails, as in some genuine early codes."""

    @property
    def organisation_code(self) -> str:
        """The nine characters of GB 11714 inside, check included."""
        return self.text[8:17]

    @property
    def region(self) -> str:
        """Six digits of GB/T 2260: where the organisation is registered. Advice only."""
        return self.text[2:8]


@dataclass(frozen=True, slots=True)
class Mobile:
    """A mobile number of the mainland: eleven digits without country code."""

    text: str


def parse_citizen_number(text: str, *, on: date) -> CitizenNumber:
    """Parse a number of 18 characters, or of 15 as issued before 1999.

    Args:
        text: the number as somebody wrote it (full width, spaces and a lower-case x are fine).
        on: the day that counts as today; a birth date after it is malformed.

    Raises:
        IdentifierError: when form, check character or birth date are wrong.
    """
    number = normalise_number(text)
    if _CITIZEN_LEGACY.fullmatch(number) is not None:
        body = number[:6] + _LEGACY_CENTURY + number[6:]
        number = body + citizen_check(body)
    elif _CITIZEN.fullmatch(number) is None:
        raise IdentifierError("a citizen number has 17 digits and a check character, or 15 digits")
    elif citizen_check(number) != number[17]:
        raise IdentifierError("the check character of the citizen number is wrong")
    if _birth_date(number) > on:
        raise IdentifierError("the birth date in the citizen number is in the future")
    return CitizenNumber(number)


def parse_credit_code(text: str) -> CreditCode:
    """Parse a unified social credit code; raises IdentifierError only for a wrong form."""
    code = normalise_number(text)
    if _CREDIT.fullmatch(code) is None:
        raise IdentifierError(f"a credit code has 18 characters out of {CREDIT_ALPHABET}")
    sound = credit_check(code) == code[17] and organisation_check(code[8:]) == code[16]
    return CreditCode(code, questionable=not sound)


def parse_name(text: str) -> str:
    """The one spelling of a person's or an organisation's name; raises IdentifierError if none."""
    name = normalise_name(text)
    if len(name) > MAX_NAME_CHARACTERS or _HAS_TEXT.search(name) is None:
        raise IdentifierError(f"a name has 1 to {MAX_NAME_CHARACTERS} characters, one a letter")
    return name


def parse_mobile(text: str) -> Mobile:
    """Parse a mobile number of the mainland, with or without +86; raises IdentifierError."""
    digits = _MOBILE_PREFIX.sub("", _MOBILE_SPACING.sub("", text.translate(_HALF_WIDTH)), count=1)
    if _MOBILE.fullmatch(digits) is None:
        raise IdentifierError("a mobile number has eleven digits, the first 1, the second 3 to 9")
    return Mobile(digits)


def normalise_number(text: str) -> str:
    """Full width becomes half width, spaces go, letters become capitals.

    Other compatibility forms (superscripts, circled digits) are nobody's way to write a number and
    stay what they are, so that they fail.
    """
    if text.isascii() and text.isalnum():
        return text.upper()
    half = _SPACES.sub("", text.translate(_HALF_WIDTH))
    return half.upper() if half.isascii() else half


def normalise_name(text: str) -> str:
    """NFKC, one middle dot, no invisible characters, and spaces only between Latin words."""
    plain = unicodedata.normalize("NFKC", text).translate(_INVISIBLE).translate(_MIDDLE_DOTS)
    if " " not in plain and plain.isalnum():
        return plain
    # Without the spaces a letter and an accent can meet: compose them.
    return unicodedata.normalize("NFKC", _IDLE_SPACE.sub("", _SPACES.sub(" ", plain).strip()))


def citizen_check(digits: str) -> str:
    """Check character over the first 17 digits (ISO 7064 MOD 11-2)."""
    return _CITIZEN_CHECKS[sum(map(mul, _CITIZEN_WEIGHTS, map(int, digits[:17]))) % 11]


def credit_check(code: str) -> str:
    """Check character over the first 17 characters of a credit code (GB 32100, annex B)."""
    total = sum(map(mul, _CREDIT_WEIGHTS, map(_CREDIT_VALUES.__getitem__, code[:17])))
    return CREDIT_ALPHABET[-total % 31]


def organisation_check(code: str) -> str:
    """Check character over the first 8 characters of an organisation code (GB 11714, 3)."""
    total = sum(w * int(char, 36) for w, char in zip(_ORGANISATION_WEIGHTS, code, strict=False))
    return _ORGANISATION_CHECKS[-total % 11]


def _birth_date(number: str) -> date:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise IdentifierError("the citizen number holds no date of birth") from None
