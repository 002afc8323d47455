"""A sealed case becomes reports. Pure: the same facts give the same reports with the same ids.

Which label files what: ``scam`` at the filing level an ``LD`` message, mail and webhooks; ``spam``
a ``V`` message and webhooks; everything else nothing. The subscriber's own word, given by key
during the call, goes before both: what they report is filed as ``LD`` with the verdict as it
stands, and what they call no scam is not filed. A report that cannot be filed is not dropped
silently: the filing says to whom it was not composed, and why.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath

from ivr.facts.judgement import Label, Level, Stage
from ivr.facts.reports import Attachment, CaseFacts, CaseFile, Channel, Report, Wish
from ivr.reporting import mail_text, webhook_body
from ivr.reporting.case_words import concepts, local_time, spelled
from ivr.reporting.numbers import as_filed
from ivr.reporting.recipients import Recipient
from ivr.reporting.sms import Keyword, short_message
from ivr.settings import ReportingSettings

_SMS_TEMPLATE = "LD/V/S message, version 1"
SMS_TEMPLATE_SHA256 = hashlib.sha256(_SMS_TEMPLATE.encode()).hexdigest()
_PROOFS = ("manifest.json", "manifest.jws", "signer.pem", "verdict.json")


@dataclass(frozen=True, slots=True)
class NotFiled:
    """A report that was not composed, and why."""

    recipient_id: str
    channel: Channel
    why: str


@dataclass(frozen=True, slots=True)
class Filing:
    """What a case gives rise to. ``keyword`` is None when its label files nothing."""

    keyword: Keyword | None
    reports: tuple[Report, ...]
    not_filed: tuple[NotFiled, ...]


def compose(
    facts: CaseFacts,
    recipients: Sequence[Recipient],
    settings: ReportingSettings,
    today: date,
) -> Filing:
    """All reports of a sealed case.

    Args:
        recipients: the whole table; disabled rows are passed over.
        today: the day on which recipients must be valid and verified.
    """
    keyword = keyword_for(facts)
    reports: list[Report] = []
    refused: list[NotFiled] = []
    for recipient in recipients if keyword else ():
        if not recipient.is_enabled or not _is_meant(recipient, keyword, settings):
            continue
        why = recipient.refusal(today, settings.verified_max_age_days)
        made: Report | str = why if why else _compose_one(facts, recipient, keyword, settings)
        if isinstance(made, str):
            refused.append(NotFiled(recipient.id, recipient.channel, made))
        else:
            reports.append(made)
    return Filing(keyword, tuple(reports), tuple(refused))


def keyword_for(facts: CaseFacts) -> Keyword | None:
    """``LD``, ``V`` or nothing."""
    if facts.wish is not Wish.NONE:
        return "LD" if facts.wish is Wish.REPORT else None
    if facts.verdict.label is Label.SCAM and facts.verdict.level is Level.FILING:
        return "LD"
    return "V" if facts.verdict.label is Label.SPAM else None


def report_id(case_id: str, recipient_id: str, channel: Channel, template_sha256: str) -> str:
    """Stable over time and machines: composing again gives the same id."""
    text = f"{case_id}\n{recipient_id}\n{channel.value}\n{template_sha256}"
    return hashlib.sha256(text.encode()).hexdigest()


def _is_meant(recipient: Recipient, keyword: Keyword | None, settings: ReportingSettings) -> bool:
    if recipient.channel is Channel.SMS:
        return recipient.address == settings.sms_short_code
    if recipient.channel is Channel.WEBHOOK:
        return keyword is not None
    return keyword == "LD"


def _compose_one(
    facts: CaseFacts,
    recipient: Recipient,
    keyword: Keyword | None,
    settings: ReportingSettings,
) -> Report | str:
    if recipient.channel is Channel.MAIL:
        return _mail(facts, recipient, settings)
    if recipient.channel is Channel.WEBHOOK and keyword is not None:
        return _webhook(facts, recipient, keyword)
    number = as_filed(facts.caller.number, facts.subscriber)
    if number is None or keyword is None:
        return "the call carried no number that could be named"
    text = short_message(
        keyword,
        number,
        _sms_content(facts, keyword),
        f"{local_time(facts.opened_at)}, co ghi am",
        settings.sms_form,
    )
    return _report(facts, recipient, SMS_TEMPLATE_SHA256, subject="", body=text, attachments=())


def _sms_content(facts: CaseFacts, keyword: Keyword) -> list[str]:
    """Most important first. Concept names, not recognised words: those may be anything."""
    if keyword == "V":
        return [f"Goi quang cao {spelled(each)}" for each in concepts(facts, (Stage.ADVERT,))]
    authority = concepts(facts, (Stage.AUTHORITY,))
    threats = concepts(facts, (Stage.THREAT, Stage.ACCUSATION))
    demands = concepts(facts, (Stage.DEMAND, Stage.INSTRUCTION))
    content = [f"Mao danh {spelled(authority[0])}" if authority else "Dau hieu lua dao"]
    content += [f"doa {spelled(each)}" for each in threats[:1]]
    content += [f"doi {spelled(each)}" for each in demands[:1]]
    content += [spelled(each) for each in (*threats[1:2], *demands[1:2])]
    return content


def _mail(facts: CaseFacts, recipient: Recipient, settings: ReportingSettings) -> Report:
    attached, too_large = _chosen_files(facts, settings.attachments_max_mb * 1e6)
    return _report(
        facts,
        recipient,
        mail_text.TEMPLATE_SHA256,
        subject=mail_text.subject(facts),
        body=mail_text.body(facts, recipient.name, too_large, english=settings.english_summary),
        attachments=attached,
    )


def _webhook(facts: CaseFacts, recipient: Recipient, keyword: Keyword) -> Report:
    template = webhook_body.TEMPLATE_SHA256
    made_id = report_id(facts.case_id, recipient.id, recipient.channel, template)
    body = webhook_body.webhook_body(facts, keyword, made_id)
    return _report(facts, recipient, template, subject="", body=body, attachments=())


def _chosen_files(
    facts: CaseFacts, max_bytes: float
) -> tuple[tuple[Attachment, ...], frozenset[str]]:
    """The call's sound and the papers that prove it; sound beyond ``max_bytes`` is linked."""
    sound = [file for file in facts.files if file.media_type.startswith("audio/")]
    whole_call = [file for file in sound if PurePosixPath(file.path).stem == "call"]
    proofs = [file for file in facts.files if PurePosixPath(file.path).name in _PROOFS]
    if not any(file.path == "manifest.json" for file in proofs):
        proofs.append(CaseFile("manifest.json", 0, facts.seal_sha256, "application/json"))
    room = max_bytes - sum(file.size for file in proofs)
    kept: list[CaseFile] = []
    too_large: list[CaseFile] = []
    for file in whole_call or sound:
        if file.size <= room:
            kept.append(file)
            room -= file.size
        else:
            too_large.append(file)
    attached = [Attachment(f.path, f.media_type, f.sha256) for f in (*kept, *proofs)]
    linked = [Attachment(f.path, f.media_type, f.sha256, f.size, is_linked=True) for f in too_large]
    return (*attached, *linked), frozenset(file.path for file in too_large)


def _report(
    facts: CaseFacts,
    recipient: Recipient,
    template_sha256: str,
    *,
    subject: str,
    body: str,
    attachments: tuple[Attachment, ...],
) -> Report:
    return Report(
        report_id=report_id(facts.case_id, recipient.id, recipient.channel, template_sha256),
        case_id=facts.case_id,
        channel=recipient.channel,
        recipient_id=recipient.id,
        address=recipient.address,
        subject=subject,
        body=body,
        attachments=attachments,
        template_sha256=template_sha256,
        needs_release=recipient.filing == "confirm",
    )
