"""The two languages in which an installation talks to people."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Language(StrEnum):
    """Chinese or English."""

    CHINESE = "zh"
    ENGLISH = "en"


# In the order in which POSIX lets them override each other; ours comes first.
_VARIABLES: Final = ("SANYUAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


def language_of(environment: Mapping[str, str]) -> Language:
    """The language that the environment asks for: Chinese when it says ``zh…``, else English."""
    said = next((text for name in _VARIABLES if (text := environment.get(name))), "")
    return Language.CHINESE if said.lower().startswith("zh") else Language.ENGLISH


@dataclass(frozen=True, slots=True)
class Words:
    """Chooses between the two forms of a text: ``words("中文", "English")``."""

    language: Language

    def __call__(self, chinese: str, english: str) -> str:
        """The form in our language."""
        return chinese if self.language is Language.CHINESE else english
