"""Cases exported as vCons, taken apart and put together anew."""

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jsonschema import Draft202012Validator

from ivr.casework.key_proof import own_trust
from ivr.casework.proof import prove_files
from ivr.casework.vcon_draft import VconWish
from ivr.casework.vcon_export import Exported, export_vcon
from ivr.evidence.canonical import canonical
from ivr.evidence.self_signed import self_signed
from ivr.evidence.signer import FileSigner
from ivr.evidence.steps import Step
from ivr.evidence.vcon_signed import sign_vcon
from tests.fakes.evidence_site import Site

WHO, WHY = "Nguyễn Văn A, cán bộ tiếp nhận", "Yêu cầu số 12/2026"
CASE = "01JDHZ00000000000000SPOKEN"
SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "config/schema/vcon.schema.json").read_bytes())
)


def export(house: tuple[Site, Path], target: Path, **wish: object) -> Exported:
    site, path = house
    return export_vcon(path, target, site.custodian, VconWish(**wish), actor=WHO, reason=WHY)


def steps_of(file: Path, site: Site, **trust: object) -> tuple[Step, ...]:
    keys = replace(own_trust(site.root), **trust)
    return prove_files(file, keys.trusted, site.log_path, None, keys)


def failed(file: Path, site: Site, **trust: object) -> dict[str, str]:
    return {step.name: step.detail for step in steps_of(file, site, **trust) if not step.ok}


def jws_of(file: Path) -> dict:
    return json.loads(file.read_bytes())


def said_in(file: Path) -> dict:
    return json.loads(urlsafe_b64decode(jws_of(file)["payload"] + "=="))


def files_in(vcon: dict) -> dict[str, dict]:
    return {
        each["filename"]: each
        for kind in ("dialog", "analysis", "attachments")
        for each in vcon[kind]
        if "filename" in each
    }


def bytes_of(file: dict) -> bytes:
    if file["encoding"] == "base64url":
        return urlsafe_b64decode(file["body"] + "==")
    return file["body"].encode()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def signed_anew(said: dict, signer: FileSigner, file: Path) -> Path:
    chain = (self_signed(signer, "dak-lak", datetime(2026, 11, 25, tzinfo=UTC)),)
    file.write_bytes(sign_vcon(canonical(said), said["uuid"], signer, chain))
    return file
