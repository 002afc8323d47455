"""On what ground a call was recorded, as one paragraph. It says what happened, not whether the law
is content with it."""

from ivr.facts.rights import Consent, LawfulBasis, Notice
from ivr.locale import Language, table
from ivr.reporting.case_words import local_time


def basis_shown(basis: LawfulBasis | None, language: Language) -> str:
    """Ground, announcement and consent of a case; None: its manifest does not say."""
    words = table(language, "basis.toml")
    if basis is None:
        return words["unknown"]
    parts = [words[f"ground_{basis.ground.value}"].format(stated=basis.stated)]
    if basis.notice is not None:
        parts.append(_notice(basis.notice, language))
    if basis.consent is not None:
        parts.append(_consent(basis.consent, language))
    return " ".join(parts)


def _notice(notice: Notice, language: Language) -> str:
    words = table(language, "basis.toml")
    whole = {True: "whole", False: "cut", None: "whole_unknown"}[notice.is_whole]
    return words["notice"].format(
        time=local_time(notice.at),
        language=words.get(f"language_{notice.language}", notice.language or words["unknown"]),
        whole=words[whole],
        text=notice.text,
    )


def _consent(consent: Consent, language: Language) -> str:
    words = table(language, "basis.toml")
    undated = words["unknown"]
    return words["consent"].format(
        version=consent.version or undated, date=consent.given_on or undated
    )
