"""Pages that need nothing beside them: the report of `musclegym quickstart`, and the parts of others."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light; --ink: #1f2430; --soft: #5c6472; --line: #e3e6eb; --accent: #c8442e; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f7f9; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 4px; }
p { margin: 0 0 14px; max-width: 100ch; } .lead, .note { color: var(--soft); } .note { font-size: 14px; }
section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 22px 24px;
  margin-top: 20px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 12px;
  margin-top: 24px; }
.fact { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 14px 18px; }
.fact b { display: block; font-size: 26px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.fact span { color: var(--soft); font-size: 14px; } .fact:first-child b { color: var(--accent); }
.films { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 18px;
  margin-top: 12px; }
figure { margin: 0; } figure video { max-width: 100%; border-radius: 8px; }
figure img { width: 100%; display: block; border-radius: 8px; background: #e9ecf0; }
figcaption { font-size: 14px; color: var(--soft); margin-top: 8px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 18px;
  margin-top: 12px; }
.charts figure { max-width: 520px; } .charts svg { width: 100%; height: auto; font-family: inherit; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 7px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); } th:first-child, td:first-child { text-align: left;
  padding-left: 0; }
tr:last-child td { border-bottom: 0; } table.texts :is(th, td) { text-align: left; white-space: normal; }
table.texts :is(th, td) + :is(th, td) { padding-left: 24px; }
code, pre { font: 13.5px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: #1f2430; color: #eef0f4; border-radius: 8px; padding: 14px 18px; overflow-x: auto;
  margin: 10px 0 0; }
pre i { color: #98a2b3; font-style: normal; }
footer { color: var(--soft); font-size: 13.5px; margin-top: 24px; }
"""


@dataclass(frozen=True)
class Film:
    """An animation."""

    webp: bytes
    """The animation as a WebP file."""
    name: str
    """What it shows, for readers who do not see it."""
    caption: str
    """Line below it."""


@dataclass(frozen=True)
class Report:
    """What the page says, section by section."""

    title: str
    lead: str
    facts: Mapping[str, str]
    """Headline figures: what it is -> value."""
    films: Sequence[Film]
    films_note: str
    charts: Sequence[str]
    """SVG text."""
    charts_note: str
    tables: Sequence["Table"]
    commands: Mapping[str, str]
    """Commands to run next -> what each does."""
    footer: str


@dataclass(frozen=True)
class Table:
    """A table with a heading and a line that says how to read it."""

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: bool = False
    """Whether the cells are words rather than numbers."""


def page(report: Report) -> str:
    """Return the HTML of a report."""
    parts = [
        fact_row(report.facts),
        section(
            "The body in motion",
            report.films_note,
            f'<div class="films">{"".join(map(film, report.films))}</div>',
        ),
        section("Learning", report.charts_note, f'<div class="charts">{charts(report.charts)}</div>'),
        *(section(table.title, table.note, html_table(table)) for table in report.tables),
        section("What to run next", "", commands(report.commands)),
    ]
    return document(report.title, report.lead, parts, report.footer)


def document(title: str, lead: str, parts: Sequence[str], footer: str) -> str:
    """Return a page.

    Args:
        title: its heading.
        lead: what it is about.
        parts: HTML, such as `fact_row` and `section` return.
        footer: its last line.
    """
    head = f"<h1>{escape(title)}</h1><p class=lead>{escape(lead)}</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body><main>{head}{''.join(parts)}<footer>{escape(footer)}</footer></main></body></html>\n"
    )


def fact_row(facts: Mapping[str, str]) -> str:
    """Return headline figures: what it is -> value."""
    cells = "".join(
        f'<div class="fact"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in facts.items()
    )
    return f'<div class="facts">{cells}</div>'


def section(title: str, note: str, content: str) -> str:
    """Return a section with a heading and a line of explanation."""
    line = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{line}{content}</section>"


def film(item: Film) -> str:
    """Return an animation with its caption."""
    data = base64.b64encode(item.webp).decode("ascii")
    image = f'<img src="data:image/webp;base64,{data}" alt="{escape(item.name)}">'
    return f"<figure>{image}<figcaption>{escape(item.caption)}</figcaption></figure>"


def charts(pictures: Sequence[str]) -> str:
    """Return SVG pictures side by side."""
    return "".join(f"<figure>{picture}</figure>" for picture in pictures)


def html_table(table: Table) -> str:
    """Return a table."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    kind = ' class="texts"' if table.texts else ""
    return (
        f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def commands(items: Mapping[str, str]) -> str:
    """Return commands, each below what it does."""
    lines = "\n".join(f"<i># {escape(meaning)}</i>\n{escape(command)}" for command, meaning in items.items())
    return f"<pre>{lines}</pre>"
