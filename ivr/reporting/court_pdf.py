"""Draws the court papers: A4, Vietnamese, text that can be searched and copied.

Needs the extra ``pdf`` (fpdf2 and the font Roboto, both embedded in part). The same blocks and
date give the same bytes.
"""

import logging
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ivr.errors import EnvironmentProblem
from ivr.facts.papers import Block, Fields, Heading, Paragraph, Signatures, Table, Title
from ivr.locale import table

if TYPE_CHECKING:
    from fpdf import FPDF

INSTALL = ".venv/bin/python -m pip install --require-hashes -r requirements/pdf.lock"
FONT = "Roboto"
_FACES = {"": "Roboto", "B": "RobotoBold", "I": "RobotoItalic"}
MARGIN_MM, WIDTH_MM = 20, 170
TEXT_PT, FINE_PT = 10.5, 7.2
LINE_MM, FINE_LINE_MM = 5.3, 3.7
LABEL_MM = 46
TITLE_ROOM_MM = 58  # a title, a note and the first rows of its table stay together
SIGN_ROOM_MM = 26  # for a pen


def must_draw() -> None:
    """Raises EnvironmentProblem when the extra ``pdf`` is not installed."""
    _faces()


def draw(
    blocks: Sequence[Block], case_id: str, made_at: datetime, *, is_of_case: bool = True
) -> bytes:
    """The papers as a PDF.

    Args:
        case_id: for title and page foot; of a paper about no case its own name.
        made_at: becomes the PDF's date.

    Raises:
        EnvironmentProblem: the extra ``pdf`` is not installed.
    """
    sheet = _sheet(case_id, made_at, "" if is_of_case else "other_")
    drawn: dict[type[Block], Callable[[Any, Any], None]] = {
        Title: _title,
        Heading: _heading,
        Paragraph: _paragraph,
        Fields: _fields,
        Table: _table,
        Signatures: _signatures,
    }
    for block in blocks:
        drawn[type(block)](sheet, block)
    return bytes(sheet.output())


def _faces() -> dict[str, str]:
    """Font files by style."""
    try:
        import font_roboto
        import fpdf  # noqa: F401 - only whether it is there
    except ImportError as problem:
        raise EnvironmentProblem(
            "The PDF cannot be drawn.",
            why=f"{problem.name} is not installed",
            remedy=f"Install it: {INSTALL}; or export with --no-papers.",
        ) from problem
    return {style: font_roboto.font_files[name] for style, name in _FACES.items()}


def _sheet(case_id: str, made_at: datetime, kind: str) -> "FPDF":
    faces = _faces()
    from fpdf import FPDF

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs every letter it embeds
    words = table("vi", "court.toml")

    class Sheet(FPDF):
        def footer(self) -> None:
            self.set_y(-14)
            self.set_font(FONT, "", 8)
            text = words[f"{kind}footer"].format(case_id=case_id, page=self.page_no())
            self.cell(0, 5, text, align="C")

    sheet = Sheet(format="A4")
    for style, file in faces.items():
        sheet.add_font(FONT, style, file)
    sheet.set_margins(MARGIN_MM, 16, MARGIN_MM)
    sheet.set_auto_page_break(True, 18)
    sheet.set_title(words[f"{kind}title"].format(case_id=case_id))
    sheet.set_lang("vi-VN")
    sheet.set_creator("ivr")
    sheet.set_creation_date(made_at)
    sheet.set_line_width(0.15)
    return sheet


def drawable(sheet: "FPDF", text: str) -> str:
    """NFC, one line; letters that the font lacks are spelled out, as a caller may send any."""
    known = sheet.fonts[FONT.lower()].cmap  # type: ignore[union-attr]  # ours is always a TrueType font
    line = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(c if ord(c) in known else f"[U+{ord(c):04X}]" for c in line)


def _write(
    sheet: "FPDF",
    text: str,
    *,
    style: str = "",
    points: float = TEXT_PT,
    line_mm: float = LINE_MM,
    align: str = "L",
) -> None:
    sheet.set_font(FONT, style, points)
    sheet.multi_cell(0, line_mm, drawable(sheet, text), align=align, new_x="LMARGIN", new_y="NEXT")


def _room(sheet: "FPDF", needed_mm: float) -> None:
    """A new page unless that much is left: no heading alone at the foot."""
    if sheet.will_page_break(needed_mm):
        sheet.add_page()


def _title(sheet: "FPDF", title: Title) -> None:
    if title.is_paper or title.is_first:
        sheet.add_page()
    if title.is_paper:
        words = table("vi", "court.toml")
        _write(sheet, words["nation"], style="B", points=11.5, align="C")
        _write(sheet, words["motto"], style="B", points=11, align="C")
        middle = MARGIN_MM + WIDTH_MM / 2
        sheet.line(middle - 25, sheet.get_y() + 0.6, middle + 25, sheet.get_y() + 0.6)
        sheet.ln(7)
        _write(sheet, title.text, style="B", points=14, line_mm=7, align="C")
    else:
        _room(sheet, TITLE_ROOM_MM)
        sheet.ln(0 if title.is_first else 5)
        _write(sheet, title.text, style="B", points=12.5, line_mm=6.5)
    sheet.ln(2)


def _heading(sheet: "FPDF", heading: Heading) -> None:
    _room(sheet, 20)
    sheet.ln(1.2)
    _write(sheet, heading.text, style="B")


def _paragraph(sheet: "FPDF", paragraph: Paragraph) -> None:
    points = 13 if paragraph.is_strong else TEXT_PT
    _write(sheet, paragraph.text, style="B" if paragraph.is_strong else "", points=points)
    sheet.ln(1)


def _fields(sheet: "FPDF", fields: Fields) -> None:
    """Labels in a column of their own; a digest is set small, so that it keeps to one line."""
    for label, value in fields.rows:
        text = drawable(sheet, value)
        points = 8.5 if len(text) == 64 and " " not in text else TEXT_PT
        name = drawable(sheet, label) + ":"
        lines = max(
            _lines(sheet, name, LABEL_MM, TEXT_PT),
            _lines(sheet, text, WIDTH_MM - LABEL_MM, points),
        )
        _room(sheet, lines * LINE_MM)
        top = sheet.get_y()
        sheet.set_font(FONT, "", TEXT_PT)
        sheet.multi_cell(LABEL_MM, LINE_MM, name, align="L", new_x="RIGHT", new_y="TOP")
        sheet.set_font(FONT, "", points)
        sheet.multi_cell(0, LINE_MM, text, align="L", new_x="LMARGIN", new_y="NEXT")
        sheet.set_y(max(sheet.get_y(), top + lines * LINE_MM))
    sheet.ln(0.8)


def _lines(sheet: "FPDF", text: str, width_mm: float, points: float) -> int:
    """How many lines the text takes."""
    sheet.set_font(FONT, "", points)
    lines = sheet.multi_cell(width_mm, LINE_MM, text, align="L", dry_run=True, output="LINES")
    return len(lines)  # type: ignore[arg-type]  # output="LINES" gives the lines


def _table(sheet: "FPDF", block: Table) -> None:
    from fpdf.fonts import FontFace

    points, line_mm = (FINE_PT, FINE_LINE_MM) if block.is_fine else (9.5, 4.8)
    sheet.set_font(FONT, "", points)
    with sheet.table(
        col_widths=block.widths,
        width=WIDTH_MM,
        line_height=line_mm,
        text_align="LEFT",
        padding=1,
        headings_style=FontFace(emphasis="BOLD", fill_color=(235, 235, 235)),
    ) as drawn:
        for cells in (block.headers, *block.rows):
            row = drawn.row()
            for cell in cells:
                row.cell(drawable(sheet, cell))
    sheet.ln(2)


def _signatures(sheet: "FPDF", block: Signatures) -> None:
    _room(sheet, SIGN_ROOM_MM + 2 * LINE_MM)
    note = table("vi", "court.toml")["sign_note"]
    sheet.ln(2)
    width_mm = WIDTH_MM / len(block.names)
    for style, texts in (("B", block.names), ("I", [note if n else "" for n in block.names])):
        sheet.set_font(FONT, style, TEXT_PT)
        for text in texts:
            sheet.cell(width_mm, LINE_MM, text, align="C")
        sheet.ln(LINE_MM)
    sheet.ln(SIGN_ROOM_MM - LINE_MM)
