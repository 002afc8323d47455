"""The end of a mail whose recordings are too large for it: links to them, or how to ask."""

from dataclasses import dataclass
from datetime import datetime

from ivr.facts.reports import Report
from ivr.locale import fill, table
from ivr.reporting.case_words import local_time
from ivr.reporting.links import LinkMaker


@dataclass(frozen=True, slots=True)
class Postscript:
    """Written when the mail is sent, so that a link counts from then, however long it waited.

    Args:
        links: None: links are off.
        contact: whom to ask; empty: by answering the mail.
    """

    links: LinkMaker | None = None
    contact: str = ""

    def text(self, report: Report, moment: datetime) -> str:
        """Empty when everything is attached."""
        left_out = [each for each in report.attachments if each.is_linked]
        if not left_out:
            return ""
        lines = []
        for each in left_out:
            lines += [f"- {each.path}, {each.size} byte", f"  SHA-256 {each.sha256}"]
            if self.links is not None:
                lines.append(f"  {self.links.url(report, each, moment)}")
        values = {"files": "\n".join(lines), "case_id": report.case_id}
        if self.links is not None:
            ends = local_time(self.links.ends_at(moment))
            return "\n" + fill("vi", "mail_links.txt", {**values, "ends": ends})
        contact = self.contact or table("vi", "mail_links.toml")["by_answering"]
        return "\n" + fill("vi", "mail_left_out.txt", {**values, "contact": contact})
