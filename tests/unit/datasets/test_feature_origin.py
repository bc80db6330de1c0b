import json
from pathlib import Path
from typing import Any

import pytest

from fergi.datasets.feature_origin import (
    FeatureOrigin,
    feature_origin,
    mixed_origins,
    origin_counts,
)
from fergi.records.clip import Clip, ClipKind
from fergi.records.scale import Scale


def _features(folder: Path, number: int, record: Any = None) -> Clip:
    clip = Clip("anna", 1, number, ClipKind.REACTION, folder, f"clip_{number}_features.csv")
    clip.features.touch()
    if record is not None:
        content = record if isinstance(record, str) else json.dumps(record)
        clip.features.with_name(f"{clip.file_name}.json").write_text(content)
    return clip


@pytest.mark.parametrize(
    "record",
    [
        {"settings": {"estimator": "mesh"}, "summary": {"scale": "proxy"}},  # extract, studio
        {"settings": {"estimator": "mesh", "scale": "proxy"}, "summary": {}},  # import
    ],
)
def test_the_estimator_and_its_scale_are_read_wherever_they_stand(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    origin = feature_origin(_features(tmp_path, 1, record).features)
    assert origin == FeatureOrigin("mesh", Scale.PROXY)
    assert str(origin) == "mesh (proxy)"


@pytest.mark.parametrize("record", [None, "{", "[1]", {"settings": {}}, {"settings": 1}])
def test_without_a_sound_record_the_origin_is_unknown(tmp_path: Path, record: Any) -> None:
    assert str(feature_origin(_features(tmp_path, 1, record).features)) == "of unknown origin"


def test_a_scale_that_nobody_knows_is_none(tmp_path: Path) -> None:
    record = {"settings": {"estimator": "mine"}, "summary": {"scale": "stars"}}
    assert feature_origin(_features(tmp_path, 1, record).features) == FeatureOrigin("mine")


def test_only_a_mixture_within_a_participant_is_a_problem(tmp_path: Path) -> None:
    record = {"settings": {"estimator": "mesh"}, "summary": {"scale": "proxy"}}
    alike = [_features(tmp_path, number, record) for number in (1, 2)]
    absent = Clip("anna", 1, 4, ClipKind.REACTION, tmp_path, "absent_features.csv")
    assert mixed_origins(origin_counts([*alike, absent])) == []
    (problem,) = mixed_origins(origin_counts([*alike, _features(tmp_path, 3)]))
    assert problem.place == "anna"
    assert "(2 mesh (proxy), 1 of unknown origin)" in problem.reason
