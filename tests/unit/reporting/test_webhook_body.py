"""The JSON report: valid by its published schema, the same bytes each time, accusing nobody."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ivr.facts.call import Caller
from ivr.facts.judgement import Label, Level
from ivr.facts.reports import Channel, Wish
from ivr.reporting.compose import compose
from ivr.reporting.recipients import Recipient, load
from ivr.reporting.webhook_body import webhook_body
from ivr.settings import ReportingSettings

SCHEMA = Path(__file__).parents[3] / "config" / "schema" / "report-1.schema.json"
TODAY = date(2026, 11, 24)
OPERATOR = Recipient(
    id="op",
    kind="operator",
    role="r",
    name="n",
    channel=Channel.WEBHOOK,
    address="https://op.example.vn/ivr",
    verified_on=TODAY,
    verified_by="Lan",
)


@pytest.fixture(scope="module")
def schema():
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize("keyword", ["LD", "V"])
def test_a_report_is_valid_by_the_published_schema(facts, schema, keyword):
    text = webhook_body(facts(), keyword, "a" * 64)
    schema.validate(json.loads(text))
    assert text == webhook_body(facts(), keyword, "a" * 64)


@pytest.mark.parametrize("gone", ["report_id", "schema", "caller", "seal_sha256"])
def test_the_schema_misses_what_is_left_out(facts, schema, gone):
    document = json.loads(webhook_body(facts(), "LD", "a" * 64))
    del document[gone]
    assert not schema.is_valid(document)


def test_it_speaks_of_the_call_and_accuses_nobody(facts):
    text = webhook_body(facts(), "LD", "a" * 64)
    document = json.loads(text)
    assert document["statement_vi"] == "Cuộc gọi: có dấu hiệu lừa đảo"
    assert "tội phạm" not in text
    assert document["recogniser"]["is_demonstration"] is True
    assert [heard["concept"] for heard in document["heard"]] == [
        "cong_an",
        "thu_hoi_so_thue_bao",
        "chuyen_tien",
    ]


def test_the_subscribers_own_number_is_never_the_callers(facts, schema):
    spoofed = Caller("+84912345678", None, "From", 0.5, ("subscriber_number",))
    document = json.loads(webhook_body(facts(caller=spoofed), "LD", "a" * 64))
    assert document["caller"]["number"] is None
    schema.validate(document)


def test_a_scam_and_a_spam_call_go_to_the_operator_a_clean_one_does_not(facts):
    def filed(**changes):
        return compose(facts(**changes), [OPERATOR], ReportingSettings(), TODAY)

    verdict = facts().verdict
    (scam,) = filed().reports
    body = json.loads(scam.body)
    assert (body["report_id"], body["keyword"]) == (scam.report_id, "LD")
    assert (scam.address, scam.attachments) == (OPERATOR.address, ())
    (spam,) = filed(verdict=replace(verdict, label=Label.SPAM, level=Level.NONE)).reports
    assert json.loads(spam.body)["keyword"] == "V"
    assert filed(verdict=replace(verdict, label=Label.CLEAN, level=Level.NONE)).reports == ()
    assert filed(wish=Wish.WITHDRAW).reports == ()


ROW = '[[recipient]]\nid = "op"\nrole = "r"\nname = "n"\nchannel = "webhook"\naddress = "{to}"\n'


@pytest.mark.parametrize(
    "address",
    [
        "http://op.example.vn/ivr",
        "https://",
        "https://user:secret@op.example.vn/",
        "https://op.example.vn/#part",
        "https://op.example.vn/a b",
        "https://báo.example.vn/",
        "ftp://op.example.vn/",
        "http://127.0.0.1:8080/",
    ],
)
def test_an_office_is_reached_by_https_alone(tmp_path, address):
    file = tmp_path / "r.toml"
    file.write_text(ROW.format(to=address), encoding="utf-8")
    with pytest.raises(Exception, match="cannot be used") as caught:
        load(file)
    assert "webhook" in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080/", "http://localhost/x"])
def test_a_receiver_on_this_machine_is_of_kind_local(tmp_path, address):
    file = tmp_path / "r.toml"
    file.write_text(ROW.format(to=address) + 'kind = "local"\nenabled = true\n')
    (recipient,) = load(file)
    assert recipient.refusal(TODAY, 180) is None
