"""Settings: a mistyped key or value is an error, never a default."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from segpipe.core.errors import InputError
from segpipe.core.settings import (
    AxisSettings,
    ClusterSettings,
    GateSettings,
    LoadSettings,
    RunSettings,
    SampleSettings,
    SourceSettings,
    home_path,
    load_settings,
)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def test_without_file_and_options_every_setting_has_its_default() -> None:
    assert load_settings(None, {}) == RunSettings()


def test_options_override_the_file(toml: Path) -> None:
    toml.write_text(
        """
        [source]
        paths = ["a.csv", "b.csv"]
        timezone = "Europe/Berlin"
        tickets_path = "tickets.csv"
        [features]
        as_of = 2025-06-30
        axis_paths = "own.toml"
        [sample]
        size = 900
        seed = 7
        [cluster]
        min_silhouette = 0
        [load]
        absent = "delete"
        """,
        encoding="utf-8",
    )
    found = load_settings(toml, {"sample": {"size": 1000, "seed": None}})
    assert found.source.paths == ("a.csv", "b.csv")
    assert found.source.tickets_path == Path("tickets.csv")
    assert found.features.as_of == date(2025, 6, 30)
    assert found.features.axis_paths == (Path("own.toml"),)
    assert found.sample == SampleSettings(size=1000, seed=7)
    assert isinstance(found.cluster.min_silhouette, float)
    assert found.load.absent == "delete"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sample]\nsise = 3", r"'sise' is not a key of \[sample\]; known: size, seed\."),
        ("[simple]\nsize = 3", "'simple' is not a known key; known: source, engine, "),
        ("size = 3", "'size' outside a table"),
        ("[sample\n", "is not TOML"),
        ("[sample]\nsize = 99", r"sample\.size is 99; expected 100 to 100000"),
        ("[sample]\nsize = '500'", r"sample\.size is '500'; expected a whole number"),
        ("[sample]\nsize = true", "expected a whole number"),
        ("[sample]\nsize = 500.5", "expected a whole number"),
        ("[cluster]\nmin_silhouette = true", "expected a number"),
        ("[cluster]\nmin_silhouette = nan", "min_silhouette is nan"),
        ("[cluster]\nmin_segment_share = nan", "min_segment_share is nan"),
        ("[cluster]\nmin_k = 5\nmax_k = 4", r"cluster\.max_k is 4; expected 5 to 20"),
        ("[features]\nas_of = 2025-06-30T10:00:00", "expected a date such as"),
        ("[features]\nas_of = '2025-06-30'", "expected a date such as"),
        ("[features]\naxis_paths = [3]", "axis_paths is 3; expected a path"),
        ("[source]\npaths = 3", "paths is 3; expected text"),
        ("[source]\ntickets_path = 3", "tickets_path is 3; expected a path"),
        ("[source]\ntimezone = 'Berlin'", "expected an IANA name such as Europe/Berlin"),
        ("[load]\nabsent = 'drop'", "expected 'keep' or 'delete'"),
    ],
)
def test_a_wrong_file_is_an_error_that_says_why(toml: Path, text: str, message: str) -> None:
    toml.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_settings(toml, {})


def test_a_missing_or_binary_file_is_an_error(toml: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_settings(toml, {})
    toml.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not TOML"):
        load_settings(toml, {})


def test_options_are_checked_like_the_file() -> None:
    with pytest.raises(InputError, match=r"seed is -1; expected 0 to 4294967295"):
        load_settings(None, {"sample": {"seed": -1}})


@pytest.mark.parametrize("length", [0, 101])
def test_a_store_id_has_1_to_100_characters(length: int) -> None:
    with pytest.raises(InputError, match=f"store_id has {length} characters"):
        LoadSettings(store_id="s" * length)


def test_settings_are_checked_wherever_they_are_made() -> None:
    with pytest.raises(InputError, match="max_reject_share is 2"):
        SourceSettings(max_reject_share=2)
    with pytest.raises(InputError, match="restarts is 0"):
        ClusterSettings(restarts=0)


def test_home_is_in_the_working_folder_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home_path() == tmp_path / ".segpipe"
    monkeypatch.setenv("SEGPIPE_HOME", str(tmp_path / "elsewhere"))
    assert home_path() == tmp_path / "elsewhere"


def test_keys_of_an_earlier_version_leave_a_note_and_have_no_effect(toml: Path) -> None:
    toml.write_text(
        """
        [cluster]
        clustered_silhouette = 0.5
        min_excess_silhouette = 0.1
        usual_k_lag = 0.2
        max_k = 4
        [gates]
        allow_lost_structure = true
        require_agreement = false
        """,
        encoding="utf-8",
    )
    found = load_settings(toml, {})
    assert found.cluster == ClusterSettings(max_k=4)
    assert found.gates == GateSettings()
    assert [note.split(" has no effect")[0] for note in found.notes] == [
        "[cluster] clustered_silhouette",
        "[cluster] min_excess_silhouette",
        "[cluster] usual_k_lag",
        "[gates] allow_lost_structure",
        "[gates] require_agreement",
    ]


def test_the_cuts_of_an_axis_are_chosen_by_its_name(toml: Path) -> None:
    toml.write_text('[axes.purchase_value]\ncuts = "quantiles"\n[axes.own]\n', encoding="utf-8")
    found = load_settings(toml, {"cluster": {"method": "tiers"}})
    assert found.axes == {"purchase_value": AxisSettings("quantiles"), "own": AxisSettings()}
    assert found.cluster.method == "tiers"


@pytest.mark.parametrize(
    "text",
    [
        '[axes.purchase_value]\ncuts = "thirds"',
        "[axes.purchase_value]\ntiers = 3",
        "[axes]\npurchase_value = 3",
        "axes = 3",
        '[cluster]\nmethod = "trees"',
    ],
)
def test_what_is_no_setting_of_an_axis_is_an_error(toml: Path, text: str) -> None:
    toml.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        load_settings(toml, {})
