"""Where data go, who carries them and what protects them, as the settings have it."""

from collections.abc import Mapping

from ivr.rights.claims import Claims, shown

Rows = tuple[tuple[str, ...], ...]
Words = Mapping[str, str]


def flows_of(claims: Claims, word: Words) -> Rows:
    """Name, from, to, data, settings; only flows that the settings turn on."""
    settings, here = claims.settings, word["at_agent"]
    rows = [_calls(claims, word)]
    if settings.mirror.enabled:
        said = claims.say("mirror.enabled", "mirror.lawful_basis", "mirror.allow_from")
        operator = word["at_operator"]
        rows.append((word["flow_mirror"], operator, here, word["data_call"], said))
    bridged = sum(each.mode == "bridge" for each in settings.subscribers)
    if bridged:
        subscribers = word["at_subscriber"].format(count=bridged)
        said = claims.say("subscribers")
        rows.append((word["flow_bridge"], here, subscribers, word["data_call"], said))
    said = claims.say("recognition.engine", "recognition.model", "recognition.second_pass")
    rows.append((word["flow_recognise"], here, word["at_models"], word["data_sound"], said))
    said = claims.say("storage.root", "encryption.recipients_file")
    rows.append((word["flow_case"], here, word["at_folder"], word["data_all"], said))
    said = claims.say("storage.ledger_url")
    rows.append((word["flow_ledger"], here, word["at_folder"], word["data_row"], said))
    rows += _reports(claims, word)
    if settings.timestamp.url:
        said = claims.say("timestamp.url")
        rows.append((word["flow_stamp"], here, settings.timestamp.url, word["data_digest"], said))
    if settings.metrics.port:
        said = claims.say("metrics.bind", "metrics.port")
        rows.append((word["flow_metrics"], here, word["at_watch"], word["data_counts"], said))
    return tuple(rows)


def _calls(claims: Claims, word: Words) -> tuple[str, ...]:
    names = ", ".join(trunk.name for trunk in claims.settings.trunks) or word["no_trunk"]
    caller = word["at_caller"].format(names=names)
    said = claims.say("subscribers", "trunks", "sip.bind")
    return (word["flow_calls"], caller, word["at_agent"], word["data_call"], said)


def _reports(claims: Claims, word: Words) -> list[tuple[str, ...]]:
    """Each way out of the house; what is not set up is laid out for a person."""
    settings, here, there = claims.settings, word["at_agent"], word["at_recipients"]
    rows: list[tuple[str, ...]] = []
    if settings.smtp.host:
        said = claims.say("smtp.host", "reporting.attachments_max_mb", "reporting.english_summary")
        rows.append((word["flow_mail"], here, there, word["data_report"], said))
    if settings.smpp.host or settings.modem.device:
        said = claims.say("smpp.host", "modem.device", "reporting.sms_short_code")
        rows.append((word["flow_sms"], here, there, word["data_message"], said))
    if settings.webhook.secrets_dir is not None:
        said = claims.say("webhook.secrets_dir")
        rows.append((word["flow_webhook"], here, there, word["data_report"], said))
    if settings.links.is_on:
        said = claims.say("links.port", "links.base_url", "links.days")
        rows.append((word["flow_links"], here, there, word["data_all"], said))
    said = claims.say("reporting.recipients", "reporting.outbox_dir")
    rows.append((word["flow_outbox"], here, word["at_person"], word["data_report"], said))
    return rows


def processors_of(claims: Claims, word: Words) -> Rows:
    """Parties outside this machine that carry data: name, what they do, settings."""
    settings = claims.settings
    rows = [
        (trunk.name, word["processor_trunk"], f"trunks: {shown(trunk.networks)}")
        for trunk in settings.trunks
    ]
    named = (
        (settings.smtp.host, "processor_mail", "smtp.host"),
        (settings.smpp.host, "processor_smpp", "smpp.host"),
        (settings.modem.device, "processor_modem", "modem.device"),
        (settings.timestamp.url, "processor_stamp", "timestamp.url"),
    )
    rows += [(str(who), word[what], claims.say(name)) for who, what, name in named if who]
    if settings.mirror.enabled:
        does = word["processor_mirror"].format(basis=settings.mirror.lawful_basis)
        rows.append((word["at_operator"], does, claims.say("mirror.lawful_basis")))
    return tuple(rows)


def safeguards_of(claims: Claims, word: Words) -> Rows:
    """Measure, whether it is in use, settings."""
    settings = claims.settings

    def answer(is_so: bool) -> str:
        return word["yes" if is_so else "no"]

    token = settings.evidence.pkcs11_module is not None
    is_encrypted = settings.encryption.recipients_file is not None
    is_released = not settings.reporting.file_automatically
    return (
        (word["safe_seal"], answer(True), claims.say("evidence.site")),
        (
            word["safe_key"],
            word["safe_key_token" if token else "safe_key_file"],
            claims.say("evidence.pkcs11_module", "evidence.key_file"),
        ),
        (
            word["safe_encryption"],
            answer(is_encrypted),
            claims.say("encryption.recipients_file", "encryption.case_keys_dir"),
        ),
        (word["safe_log"], answer(settings.log.level != "debug"), claims.say("log.level")),
        (word["safe_mail"], settings.smtp.security, claims.say("smtp.security")),
        (word["safe_access"], shown(settings.sip.allow_from), claims.say("sip.allow_from")),
        (
            word["safe_human"],
            answer(is_released),
            claims.say("reporting.file_automatically"),
        ),
    )
