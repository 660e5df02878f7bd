"""Whom a licence belongs to: how licences are filed (design §6).

A person is known by this service's pseudonym, which only an assertion of identity tells; an
organisation by its credit code. The two can never be taken for each other.
"""

from typing import Final

from sanyuan.common.assertions.token import Assertion

ERASED: Final = ""


def of_person(pseudonym: str) -> str:
    """Where licences of a person are filed."""
    return f"person/{pseudonym}"


def of_organisation(code: str) -> str:
    """Where licences of an organisation are filed."""
    return f"organisation/{code}"


def of_assertion(assertion: Assertion, holder: str) -> str:
    """Where licences of the one that an assertion is about are filed; ``holder`` was opened."""
    return of_organisation(holder) if assertion.is_of_organisation else of_person(holder)
