"""The receipt with its next step: the message that the citizen can send with one touch."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from ivr.facts.reports import CaseFacts, Channel, Delivery, DeliveryState, Report
from ivr.locale import Language, fill, table
from ivr.reporting.receipt import citizen_summary
from ivr.reporting.sms_link import qr_svg, qr_terminal, sms_uri

_WORDS = "receipt.toml"  # apart from the mail's words: those are part of its template digest
# What is held, on its way, or may have arrived must not be sent a second time by hand.
_TO_BE_SENT = frozenset({DeliveryState.READY, DeliveryState.FAILED})


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt in one language.

    Args:
        filed: the case's reports as they stand.
        message: the composed LD or V message when the citizen should send it, else None.
    """

    facts: CaseFacts
    language: Language
    filed: Sequence[Delivery]
    message: Report | None

    def as_text(self, *, with_code: bool) -> str:
        """Plain text; ``with_code`` adds the QR code in half blocks, for a terminal."""
        text = citizen_summary(self.facts, self.language, self.filed).rstrip()
        if self.message is None:
            return text + "\n"
        uri = sms_uri(self.message.address, self.message.body)
        values = {"address": self.message.address, "body": self.message.body, "uri": uri}
        text += "\n\n" + fill(self.language, "receipt_message.txt", values)
        return text + ("\n" + qr_terminal(uri) if with_code else "")

    def as_html(self) -> str:
        """A page that loads nothing and runs nothing; every value is escaped."""
        summary = citizen_summary(self.facts, self.language, self.filed)
        values = {
            "language": self.language,
            "title": html.escape(table(self.language, _WORDS)["title"]),
            "summary": _paragraphs(summary),
            "message": self._message_html(),
            "seal": html.escape(self.facts.seal_sha256),
        }
        return fill("vi", "receipt.html", values)

    def _message_html(self) -> str:
        if self.message is None:
            return ""
        uri = sms_uri(self.message.address, self.message.body)
        named = table(self.language, _WORDS)
        values = {
            "heading": html.escape(named["heading"].format(address=self.message.address)),
            "body": html.escape(self.message.body),
            "uri": html.escape(uri),
            "open": html.escape(named["open"]),
            "scan": html.escape(named["scan"]),
            "code": qr_svg(uri),
        }
        return fill("vi", "receipt_message.html", values)


def message_to_send(reports: Sequence[tuple[Report, Delivery]]) -> Report | None:
    """The short message that still waits for a person, if there is one."""
    for report, delivery in reports:
        if report.channel is Channel.SMS and delivery.state in _TO_BE_SENT:
            return report
    return None


def _paragraphs(text: str) -> str:
    """Lines to ``<p>``; lines that begin with a dash to one list."""
    parts: list[str] = []
    for line in text.strip().splitlines():
        if not line.startswith("- "):
            parts.append(f"<p>{html.escape(line)}</p>")
            continue
        item = f"<li>{html.escape(line[2:])}</li></ul>"
        if parts and parts[-1].endswith("</ul>"):
            parts[-1] = parts[-1].removesuffix("</ul>") + item
        else:
            parts.append("<ul>" + item)
    return "\n".join(parts)
