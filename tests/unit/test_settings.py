"""Settings are declared once, documented, and a mistake in them is named."""

import tomllib

import pytest

from ivr import settings
from ivr.errors import SettingsError
from ivr.settings import PROJECT_ROOT, Section, Settings, Subscriber


def test_the_settings_file_in_the_repository_holds_every_default():
    assert (PROJECT_ROOT / "config/ivr.toml").read_text(encoding="utf-8") == settings.as_toml(
        Settings.model_construct()
    )


def test_the_settings_file_reads_back_to_the_defaults():
    loaded = settings.load(PROJECT_ROOT / "config/ivr.toml")
    assert loaded == Settings.model_construct()


def test_every_setting_says_what_it_is_for():
    sections = [type(getattr(Settings.model_construct(), name)) for name in Settings.model_fields]
    for section in [*(s for s in sections if issubclass(s, Section)), Subscriber]:
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
