"""Text as words that an index can hold, in Chinese and Latin alike. Pure.

Chinese has no spaces, and half of its words have two characters (户籍), which a trigram index
silently misses. So a run of Chinese becomes its overlapping pairs, and a query for a run asks for
its pairs next to each other. The last character stands alone behind its pairs, so that every
character begins some token, and a single one is found as the beginning of a token.

Invariants:
- Index and query go through the same `fold` and the same `tokens`.
- A token has letters and digits only: nothing that a person types is ever syntax of the index.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

# Scripts that are written without spaces between words: Han with its radicals, extensions and
# numerals, kana, bopomofo. The middle dot of kana (U+30FB) is punctuation.
_HAN: Final = (
    "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f"
    "\u31a0-\u31bf\u31f0-\u31ff"
)
_RUN: Final = re.compile(f"([{_HAN}]+)|([^\\W_{_HAN}]+)")
# Invisible, and pasted along with text: format characters, and selectors of a glyph's variant.
_SELECTORS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180f]")
_PLURALS: Final = (
    (re.compile(r"(?<=[a-z]{2})ies$"), "y"),  # policies
    (re.compile(r"(?<=[a-z])(sh|ch|ss|x|zz)es$"), r"\1"),  # taxes, addresses
    (re.compile(r"(?<=[a-z]{2}[^siu\W\d_])s$"), ""),  # permits, but not: business, status, analysis
)
_PREFIX_LETTERS: Final = 3
"""From so many letters on, a word also finds the words that begin with it."""


class Query(NamedTuple):
    """What a person asked, as FTS5 understands it.

    ``every`` has all words, ``some`` at least one; both are empty when there is no word in it.
    ``literal`` is the text itself, to be looked for in names; not so when it is ``one_run`` of
    Chinese, which no name can hold without its pairs.
    """

    every: str
    some: str
    literal: str
    one_run: bool


def fold(text: str) -> str:
    """One spelling: NFKC (full width, ligatures), no case, nothing invisible, single spaces."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if not folded.isascii():
        folded = "".join(c for c in _SELECTORS.sub("", folded) if unicodedata.category(c) != "Cf")
    return " ".join(folded.split())


def tokens(text: str) -> str:
    """The tokens of a text in their order, separated by spaces."""
    return " ".join(
        token
        for run, is_chinese in _runs(fold(text))
        for token in (_pairs(run, 1) if is_chinese else (run,))
    )


def parse_query(text: str) -> Query:
    """What to look for; any text is a query."""
    folded = fold(text)
    every: dict[str, None] = {}
    some: dict[str, None] = {}
    runs = list(_runs(folded))
    for run, is_chinese in runs:
        parts = tuple(_pairs(run, 0)) if is_chinese and len(run) > 1 else (run,)
        begins = len(run) == 1 if is_chinese else len(run) >= _PREFIX_LETTERS
        every[f'"{" ".join(parts)}"{" *" if begins else ""}'] = None
        some.update(dict.fromkeys(f'"{part}"{" *" if begins else ""}' for part in parts))
    one_run = runs == [(folded, True)]
    return Query(" AND ".join(every), " OR ".join(some), folded, one_run)


def _runs(folded: str) -> Iterator[tuple[str, bool]]:
    for found in _RUN.finditer(folded):
        chinese, word = found.groups()
        yield (chinese, True) if chinese else (_singular(word), False)


def _pairs(run: str, rest: int) -> Iterator[str]:
    """Overlapping pairs; with ``rest`` 1 also the last character alone."""
    return (run[i : i + 2] for i in range(len(run) - 1 + rest))


def _singular(word: str) -> str:
    if not word.endswith("s"):
        return word
    for plural, singular in _PLURALS:
        stripped = plural.sub(singular, word)
        if stripped != word:
            return stripped
    return word
