"""Blocks of a paper as plain text, Markdown and a page to print; `ivr.reporting` draws PDF."""

import html
import textwrap
from collections.abc import Callable, Sequence

from ivr.facts.papers import Block, Fields, Heading, Paragraph, Signatures, Table, Title

WIDTH = 96
_PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><title>{title}</title>
<style>@page {{ size: A4; margin: 18mm 20mm }} body {{ font: 11pt/1.45 "Times New Roman", serif;
max-width: 170mm; margin: auto }} h1 {{ font-size: 14pt; text-align: center; margin-top: 2em }}
h2 {{ font-size: 12pt }} table {{ border-collapse: collapse; width: 100% }}
td, th {{ border: 1px solid #777; padding: 3px 6px; vertical-align: top; text-align: left }}
.fields td {{ border: none }} .fields td:first-child {{ width: 46mm }}
.nation {{ text-align: center; font-weight: bold }} .sign {{ display: flex; margin: 1.5em 0 5em }}
.sign div {{ flex: 1; text-align: center; font-weight: bold }}</style>
{body}
</html>
"""
NATION = ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập – Tự do – Hạnh phúc")


def as_text(blocks: Sequence[Block]) -> str:
    """For a terminal or a mail."""
    lines: list[str] = []
    for block in blocks:
        match block:
            case Title():
                lines += [*_nation(block), "", block.text.upper(), ""]
            case Heading():
                lines += ["", block.text]
            case Paragraph():
                lines += [*_wrapped(block.text), ""]
            case Fields():
                lines += [line for name, value in block.rows for line in _field(name, value)]
                lines.append("")
            case Table():
                for row in block.rows:
                    lines += _wrapped("- " + "; ".join(_named(block.headers, row)), "  ")
                lines.append("")
            case Signatures():
                lines += ["", "".join(f"{name:^32}" for name in block.names).rstrip(), "", "", ""]
    return "\n".join(lines).strip("\n") + "\n"


def _nation(title: Title) -> list[str]:
    return [line.center(WIDTH).rstrip() for line in NATION] if title.is_paper else []


def _wrapped(text: str, indent: str = "") -> list[str]:
    lines = textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return lines or [""]


def _field(name: str, value: str) -> list[str]:
    return _wrapped(f"{name}: {value}", "    ")


def _named(headers: Sequence[str], row: Sequence[str]) -> list[str]:
    return [
        f"{header}: {cell}" if n else cell
        for n, (header, cell) in enumerate(zip(headers, row, strict=True))
        if cell
    ]


def as_markdown(blocks: Sequence[Block]) -> str:
    """For a repository or a wiki."""
    parts: list[str] = []
    for block in blocks:
        match block:
            case Title():
                parts.append(f"# {_cell(block.text)}")
            case Heading():
                parts.append(f"## {_cell(block.text)}")
            case Paragraph():
                parts.append(_cell(block.text))
            case Fields():
                rows = (f"- **{_cell(name)}**: {_cell(value)}" for name, value in block.rows)
                parts.append("\n".join(rows))
            case Table():
                rule = ["---"] * len(block.headers)
                rows = ("| " + " | ".join(map(_cell, row)) + " |" for row in _rows(block, rule))
                parts.append("\n".join(rows))
            case Signatures():
                parts.append(" · ".join(f"**{_cell(name)}**" for name in block.names if name))
    return "\n\n".join(parts) + "\n"


def _rows(block: Table, rule: list[str]) -> list[Sequence[str]]:
    return [block.headers, rule, *block.rows]


def _cell(text: str) -> str:
    """One line, in which nothing is taken for markup."""
    line = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\|*_`[]<>#" else char for char in line)


def as_html(blocks: Sequence[Block], language: str) -> str:
    """A page that prints on A4; it loads nothing and runs nothing."""
    drawn: dict[type, Callable[..., str]] = {
        Title: _title,
        Heading: lambda block: f"<h2>{html.escape(block.text)}</h2>",
        Paragraph: lambda block: f"<p>{html.escape(block.text)}</p>",
        Fields: _fields,
        Table: _table,
        Signatures: _signatures,
    }
    title = next((block.text for block in blocks if isinstance(block, Title)), "")
    body = "\n".join(drawn[type(block)](block) for block in blocks)
    return _PAGE.format(language=language, title=html.escape(title), body=body)


def _title(block: Title) -> str:
    head = "".join(f'<p class="nation">{line}</p>' for line in NATION) if block.is_paper else ""
    return f"{head}<h1>{html.escape(block.text)}</h1>"


def _fields(block: Fields) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}:</td><td>{html.escape(value)}</td></tr>"
        for name, value in block.rows
    )
    return f'<table class="fields">{rows}</table>'


def _table(block: Table) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.headers)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in block.rows
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _signatures(block: Signatures) -> str:
    names = "".join(f"<div>{html.escape(name)}</div>" for name in block.names)
    return f'<div class="sign">{names}</div>'
