"""A running house keeps its cases: finishes a deletion, deletes what is due, encrypts the rest."""

import asyncio
import json
from dataclasses import asdict

from ivr.casework.purging import BY_HAND, Order
from ivr.evidence.holds import hold
from ivr.evidence.locked import is_locked
from ivr.evidence.tombstone import tombstone_path
from tests.fakes.kept_site import KeptSite

CUT_OFF, DUE, HELD = (f"01JDHZ0000000000000000{name}" for name in ("CUT0", "DUE0", "HELD"))


async def test_serve_finishes_deletions_deletes_what_is_due_and_encrypts_what_is_held(
    tmp_path, serve
):
    site = KeptSite.encrypting(tmp_path / "data")
    paths = {name: await asyncio.to_thread(site.case, name) for name in (CUT_OFF, DUE, HELD)}
    hold(paths[HELD], site.custodian, actor="CQĐT", reason="QĐ 7", until=None)
    order = Order(CUT_OFF, "An", "yêu cầu 12", BY_HAND, "scam")
    (site.root / "tombstones").mkdir()
    (site.root / "tombstones" / f".{CUT_OFF}.purging").write_text(json.dumps(asdict(order)))
    chosen = site.settings.encryption
    house = await serve(f"""
[evidence]
site = "dak-lak"
[recognition]
second_pass = "off"
processes = 1
[retention]
scam_days = 0.001
sweep_every_s = 0.2
[encryption]
recipients_file = "{chosen.recipients_file}"
case_keys_dir = "{chosen.case_keys_dir}"
""")
    await house.until(lambda: not paths[CUT_OFF].exists())
    await house.until(lambda: tombstone_path(site.root, DUE).exists() and is_locked(paths[HELD]))
    await house.until(lambda: not (paths[HELD] / "manifest.json").exists())
    assert not paths[DUE].exists()
    assert await house.stop() == 0
