"""Texts that leave the house, one file a text and language; Vietnamese is the source.

Files use ``$name`` placeholders (string.Template). A missing value or an unknown text is a
mistake in the program and raises at once.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Literal

Language = Literal["vi", "en"]

_FOLDER = Path(__file__).parent


@cache
def _source(language: Language, name: str) -> str:
    return (_FOLDER / language / name).read_text(encoding="utf-8")


def fill(language: Language, name: str, values: Mapping[str, object]) -> str:
    """A text with its placeholders filled in.

    Raises:
        KeyError: a placeholder has no value.
    """
    return Template(_source(language, name)).substitute(values)


@cache
def words(language: Language) -> Mapping[str, Mapping[str, str]]:
    """Single words and short labels, by table: ``words("vi")["label"]["scam"]``."""
    return tomllib.loads(_source(language, "words.toml"))


def digest(*texts: tuple[Language, str]) -> str:
    """SHA-256, hex, over the sources of the given texts in the given order."""
    total = hashlib.sha256()
    for language, name in texts:
        total.update(hashlib.sha256(_source(language, name).encode()).digest())
    return total.hexdigest()


@cache
def table(language: Language, name: str) -> Mapping[str, str]:
    """A file of texts by key: ``table("vi", "alarms.toml")["disk_low"]``."""
    return tomllib.loads(_source(language, name))
