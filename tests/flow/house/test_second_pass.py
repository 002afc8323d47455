"""After a call another engine listens again; the case says which heard what."""

import json

from tests.fakes.serving_house import call, run_ivr

EXHIBITS = {"transcript-2.json", "hits-2.json", "verdict-1.json", "verdict-2.json"}


def derived(case, name):
    return json.loads((case / "derived" / name).read_text(encoding="utf-8"))


async def test_both_engines_are_exhibits_of_a_case_that_verifies(serve, speech):
    """viet-asr live, Vosk afterwards: the speech is a synthesiser's, which only Vosk knows."""
    house = await serve('[recognition]\nengine = "viet-asr"\nsecond_pass = "vosk"\n')
    code, _ = await call(house.uri(), "--from", "0987654321", "--wav", str(speech(9.0)))
    assert code == 0
    (case,) = await house.until(house.sealed)
    assert {path.name for path in (case / "derived").iterdir()} >= EXHIBITS
    record = derived(case, "recognition.json")
    assert record["engine"] == "viet-asr"
    assert not record["is_demonstration_model"]
    assert record["second"]["engine"] == "vosk"
    assert record["second"]["failure"] == ""
    assert "sở thông tin" in " ".join(
        word["text"] for one in derived(case, "transcript-2.json") for word in one["words"]
    )
    assert derived(case, "verdict.json")["reasons"][-1]["code"].startswith("second_pass.")
    manifest = json.loads((case / "manifest.json").read_text(encoding="utf-8"))
    files = {entry["path"]: entry for entry in manifest["files"]}
    final = set(files["derived/verdict.json"]["parent_sha256"])
    for name in ("transcript", "hits", "transcript-2", "hits-2"):
        assert files[f"derived/{name}.json"]["sha256"] in final
    code, out, _ = await run_ivr("verify", str(case), "--json")
    assert code == 0, out
    assert await house.stop() == 0


async def test_a_second_pass_that_takes_too_long_does_not_keep_the_case_open(serve, speech):
    house = await serve("[recognition]\nsecond_pass_max_s = 0.01\n")
    await call(house.uri(), "--from", "0987654321", "--wav", str(speech(5.0)))
    (case,) = await house.until(house.sealed)
    record = derived(case, "recognition.json")
    assert "not done within" in record["second"]["failure"]
    assert record["second"]["verdict"] is None
    assert not EXHIBITS & {path.name for path in (case / "derived").iterdir()}
    assert any("second_pass.failed" in line for line in house.lines)
    assert (await run_ivr("verify", str(case), "--json"))[0] == 0
