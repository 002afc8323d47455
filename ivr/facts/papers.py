"""The pieces a printed paper is made of; `ivr.reporting.court_pdf` draws them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Title:
    """Head of a part; ``is_first``: begins a page; ``is_paper``: under the nation's name, too."""

    text: str
    is_paper: bool = False
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """Lines ``label: value``."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """``widths`` in millimetres, 170 together; ``is_fine``: small letters, for digests."""

    headers: tuple[str, ...]
    widths: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]
    is_fine: bool = False


@dataclass(frozen=True, slots=True)
class Signatures:
    """Places to sign, side by side."""

    names: tuple[str, ...]


Block = Title | Heading | Paragraph | Fields | Table | Signatures
