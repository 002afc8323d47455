"""Settings are declared once, documented, and a mistake in them is named."""

import tomllib
from typing import get_args

import pytest

from ivr import settings
from ivr.errors import SettingsError
from ivr.settings import PROJECT_ROOT, Section, Settings, Subscriber, TrunkSettings

_TRUNK = "[[trunks]]\nname = '{}'\nnetworks = ['{}.0.0.0/8']\n"


def test_the_settings_file_in_the_repository_holds_every_default():
    assert (PROJECT_ROOT / "config/ivr.toml").read_text(encoding="utf-8") == settings.as_toml(
        Settings.model_construct()
    )


def test_the_settings_file_reads_back_to_the_defaults():
    loaded = settings.load(PROJECT_ROOT / "config/ivr.toml")
    assert loaded == Settings.model_construct()


def test_every_setting_says_what_it_is_for():
    defaults = Settings.model_construct()
    kinds = [type(getattr(defaults, name)) for name in Settings.model_fields]
    sections = [kind for kind in kinds if issubclass(kind, Section)]
    tables = [
        get_args(field.annotation)[0]
        for name, field in Settings.model_fields.items()
        if isinstance(getattr(defaults, name), tuple)
    ]
    assert {Subscriber, TrunkSettings} <= set(tables)
    for section in (*sections, *tables):
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name} has no description"
            assert field.description.rstrip().endswith((".",)), name


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "ivr.toml"
    file.write_text("[sip]\nport = 5070\nworkers = 3\n")
    monkeypatch.setenv("IVR_SIP__PORT", "5080")
    loaded = settings.load(file)
    assert (loaded.sip.port, loaded.sip.workers) == (5080, 3)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[sip]\nprot = 5060\n", "sip.prot"),
        ("[spi]\nport = 5060\n", "spi"),
        ("[sip]\nport = 70000\n", "sip.port"),
        ("[sip]\nworkers = 'many'\n", "sip.workers"),
        ("[[subscribers]]\naccess = 'an'\n", "subscribers.0.number"),
        ("[verdict]\nlive_threshold = 1.5\n", "verdict.live_threshold"),
        ("[log\n", "TOML"),
        ("[[trunks]]\nname = 'a'\nnetworks = ['moon']\n", "trunks.0.networks"),
        ("[[trunks]]\nname = 'a'\nnetworks = []\n", "trunks.0.networks"),
        (
            "[[trunks]]\nname = 'a'\nnetworks = ['10.0.0.1']\nidentity_precedence = ['Via']\n",
            "trunks.0.identity_precedence",
        ),
        (
            _TRUNK.format("a", 10) + _TRUNK.format("b", 10),
            "both a and b",
        ),
        (
            _TRUNK.format("a", 10) + _TRUNK.format("a", 11),
            "called a",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, text, named):
    file = tmp_path / "ivr.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        settings.load(file)
    assert named in caught.value.what + caught.value.why
    assert caught.value.remedy


def test_subscribers_survive_the_round_trip(tmp_path):
    first = Settings(subscribers=(Subscriber(access="an", number="+84900000000", name='An "Bé"'),))
    file = tmp_path / "ivr.toml"
    file.write_text(settings.as_toml(first), encoding="utf-8")
    assert settings.load(file) == first
    assert tomllib.loads(file.read_text(encoding="utf-8"))["subscribers"][0]["name"] == 'An "Bé"'


def test_every_example_of_a_table_is_a_table_that_reads(tmp_path):
    """What the printed file shows commented out can be used as it stands."""
    shown = settings.as_toml(Settings.model_construct())
    lines = shown.splitlines()
    start = lines.index("# [[trunks]]")
    example = [line.removeprefix("# ") for line in lines[start : lines.index("", start)]]
    file = tmp_path / "ivr.toml"
    file.write_text("\n".join(example), encoding="utf-8")
    loaded = settings.load(file)
    assert loaded.trunks[0].name == "nha-mang"
    file.write_text(settings.as_toml(loaded), encoding="utf-8")
    assert settings.load(file) == loaded


def test_trunks_and_the_front_may_call_without_standing_in_allow_from():
    loaded = Settings(
        trunks=(TrunkSettings(name="a", networks=("10.0.0.0/8",)),),
        sip={"allow_from": ("127.0.0.1/32",), "front_from": ("192.0.2.2/32",)},
    )
    allowed = loaded.answered_sip.allow_from
    assert allowed == ("127.0.0.1/32", "192.0.2.2/32", "10.0.0.0/8")
