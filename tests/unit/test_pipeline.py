import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fergi.datasets.fergi_study import read_study
from fergi.errors import ScoresError, StudyError, UsageError, WeightsError
from fergi.pipeline import (
    activation_table,
    annotate,
    annotate_study,
    unstable_participants,
    write_annotations,
)
from fergi.records.action_units import UNIT_NAMES
from fergi.records.preference import ANNOTATION_SCHEMA
from fergi.settings import AnnotationSettings
from fergi.stages.preference import PreferenceModel
from fergi.stages.valence import FauNet, Valence, au4_au12_valence, au4_valence, fau_net_valence
from fergi.weights.store import shipped_model, write_model

REACTION = "p02/session_1/reaction_clip_3_features.csv"
FACE_COLUMNS = ["valence_0", "valence_1", "p_0", "source"]


@pytest.mark.parametrize("valence", list(Valence))
def test_every_number_of_an_annotation_follows_from_the_stages(
    pristine_study: Path, valence: Valence
) -> None:
    table = annotate(pristine_study, valence=valence)
    study = read_study(pristine_study)
    activations, _ = activation_table(study.clips)
    network = FauNet.from_tensors(shipped_model("fau-net").tensors)
    fusion = shipped_model("fusion")
    model = PreferenceModel.from_tensors(fusion.tensors, fusion.metadata, valence)
    score = {
        Valence.AU4: au4_valence,
        Valence.AU4_AU12: au4_au12_valence,
        Valence.FAU_NET: lambda faces: fau_net_valence(faces, network),
    }[valence]
    images = pl.read_csv(pristine_study / "scores.csv").rows(named=True)
    known = {}
    for image in images:
        key = {name: image[name] for name in ("participant", "session", "image")}
        face = activations.filter(kind="reaction", **key).drop_nulls().select(UNIT_NAMES)
        values = score(face.to_numpy())
        path = "{participant}/session_{session}/image{image}.png".format(**key)
        scores = [image[name] for name in ("imagereward", "pickscore", "hpsv2")]
        known[path] = [values[0] if len(values) else np.nan, *scores]
    for row in table.iter_rows(named=True):
        difference = np.subtract(known[row["image_0"]], known[row["image_1"]])
        is_known = ~np.isnan(difference)
        weights = model.weights[int(is_known @ [1, 2, 4, 8])]
        log_odds = float(np.nansum(difference * weights))
        assert row["margin"] == pytest.approx(log_odds, abs=1e-9)
        assert row["p_0"] == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-12)
        assert row["preferred"] == int(log_odds < 0)
        assert row["confidence"] == max(row["p_0"], 1 - row["p_0"])
        assert row["source"] == ("face+scores" if is_known[0] else "scores")


def test_annotations_have_the_promised_columns_and_a_row_for_each_pair(
    pristine_study: Path,
) -> None:
    table = annotate(pristine_study)
    assert table.schema == ANNOTATION_SCHEMA
    assert len(table) == 6 * 10
    assert not table["pair_id"].is_duplicated().any()
    weights = table.group_by("participant", "session").agg(pl.col("weight").sum())["weight"]
    assert weights.to_list() == pytest.approx([1] * 6)
    assert table["annotator"].n_unique() == 1
    assert table["annotator"][0].startswith("fergi 0.")
    assert table["face_quality_0"].is_between(0, 1).all()


def test_annotating_twice_gives_the_same(pristine_study: Path) -> None:
    settings = AnnotationSettings()
    first, second = (annotate_study(pristine_study, settings) for _ in range(2))
    assert first.annotations.equals(second.annotations)
    assert first.input_fingerprint == second.input_fingerprint


def test_without_scores_a_pair_without_a_face_keeps_its_row_undecided(
    pristine_study: Path,
) -> None:
    table = annotate(pristine_study, scores="none")
    assert len(table) == 60
    assert set(table["source"]) == {"face", "none"}
    blind = table.filter(source="none")
    assert len(blind) > 0
    for name in ("p_0", "preferred", "confidence", "margin"):
        assert blind[name].null_count() == len(blind)
    assert table.filter(source="face")["preferred"].null_count() == 0


def test_a_single_score_is_joined_alone(pristine_study: Path) -> None:
    one = annotate(pristine_study, scores="pickscore")
    every = annotate(pristine_study, scores="hpsv2,pickscore,imagereward")
    assert set(one["source"]) == {"face+scores", "scores"}
    assert not np.allclose(one["margin"], every["margin"])
    assert every["margin"].to_list() == pytest.approx(annotate(pristine_study)["margin"].to_list())


def test_a_score_named_twice_counts_once_or_is_wrong_usage(pristine_study: Path) -> None:
    once = annotate(pristine_study, scores="pickscore")
    try:
        assert annotate(pristine_study, scores="pickscore,pickscore").equals(once)
    except (UsageError, ScoresError) as error:
        assert "pickscore" in str(error)  # noqa: PT017 (either way is right)


def test_min_confidence_leaves_the_unsure_undecided_and_changes_no_probability(
    pristine_study: Path,
) -> None:
    everything = annotate(pristine_study)
    sure = annotate(pristine_study, min_confidence=0.7)
    assert sure.drop("preferred").equals(everything.drop("preferred"))
    is_sure = everything["confidence"] >= 0.7
    assert 0 < is_sure.sum() < len(sure)
    assert (sure["preferred"].is_not_null() == is_sure).all()


def test_a_tie_is_never_decided(invented_study: Path) -> None:
    folder = invented_study / "p01" / "session_1"
    content = (folder / "reaction_clip_1_features.csv").read_bytes()
    for image in range(2, 6):
        (folder / f"reaction_clip_{image}_features.csv").write_bytes(content)
    table = annotate(invented_study, scores="none").filter(participant="p01", session=1)
    assert table["p_0"].to_list() == [0.5] * 10
    assert table["preferred"].null_count() == 10


def _equal_but_for_image_3(spoiled: pl.DataFrame, sound: pl.DataFrame) -> None:
    hit = spoiled["pair_id"].str.contains("p02/session_1/") & (
        spoiled["pair_id"].str.contains("-3") | spoiled["pair_id"].str.contains("/3-")
    )
    assert hit.sum() == 4
    # A matrix product over one clip less may add in another order: the last bit may change.
    assert_frame_equal(spoiled.filter(~hit), sound.filter(~hit), rel_tol=0, abs_tol=1e-14)
    assert set(spoiled.filter(hit)["source"]) == {"scores"}


@pytest.mark.parametrize(
    "content", [None, b"", b"junk\n", "one number is infinite", "a field slipped a line"]
)
def test_one_spoiled_clip_costs_its_own_pairs_their_face_and_no_other(
    invented_study: Path, pristine_study: Path, content: bytes | str | None
) -> None:
    path = invented_study / REACTION
    if isinstance(content, str):
        lines = path.read_bytes().split(b"\n")
        cells = lines[5].split(b",")
        if "infinite" in content:
            cells[8] = b"inf"
        else:
            lines[6] += b"," + cells.pop()
        lines[5] = b",".join(cells)
        path.write_bytes(b"\n".join(lines))
    elif content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    run = annotate_study(invented_study, AnnotationSettings())
    assert [problem.place for problem in run.problems] == [REACTION]
    _equal_but_for_image_3(run.annotations, annotate(pristine_study))


def test_frames_that_lack_a_number_are_told_and_count_as_invalid(
    invented_study: Path, pristine_study: Path
) -> None:
    folder = invented_study / "p01" / "session_1"
    study = read_study(invented_study)
    usable, _ = activation_table(study.clips)
    image = usable.filter(participant="p01", session=1, kind="reaction").drop_nulls()["image"][0]
    path = folder / f"reaction_clip_{image}_features.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[10] = lines[10].rsplit(",", 1)[0] + ","
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = annotate_study(invented_study, AnnotationSettings())
    (problem,) = run.problems
    assert problem.place == f"p01/session_1/{path.name}"
    assert problem.reason.startswith("1 of 150 frames show a face but lack a number")
    assert len(run.annotations) == 60


def test_problems_become_warnings_in_the_simple_form(invented_study: Path) -> None:
    (invented_study / REACTION).unlink()
    with pytest.warns(UserWarning, match=f"^{REACTION}: is missing"):
        annotate(invented_study)


def test_a_sound_study_gives_no_warning(pristine_study: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        annotate(pristine_study)


def test_a_name_in_quotes_or_with_a_comma_reaches_the_table(tmp_path: Path, invented_study) -> None:
    (invented_study / "scores.csv").unlink()
    (invented_study / "p01").rename(invented_study / '参加者 "A", 1')
    table = annotate(invented_study)
    assert '参加者 "A", 1' in table["participant"].to_list()


def test_progress_is_told_for_each_clip(pristine_study: Path) -> None:
    told: list[tuple[int, int]] = []
    annotate_study(pristine_study, AnnotationSettings(), lambda *done: told.append(done))
    assert told == [(done, 30) for done in range(1, 31)]


def test_faces_of_participants_with_an_unstable_brow_can_be_left_out(
    invented_study: Path, pristine_study: Path
) -> None:
    for baseline in (invented_study / "p02").rglob("baseline*"):
        lines = baseline.read_text(encoding="utf-8").splitlines()
        place = lines[0].split(",").index("AU4")
        for number in range(100, len(lines)):
            cells = lines[number].split(",")
            cells[place] = "3.000"
            lines[number] = ",".join(cells)
        baseline.write_text("\n".join(lines) + "\n", encoding="utf-8")
    activations, _ = activation_table(read_study(invented_study).clips)
    assert unstable_participants(activations) == ["p02"]
    table = annotate(invented_study, exclude_unstable=True)
    excluded = table.filter(participant="p02")
    assert set(excluded["source"]) == {"scores"}
    assert excluded["valence_0"].null_count() == len(excluded)
    others = table.filter(pl.col("participant") != "p02")
    sound = annotate(pristine_study).filter(pl.col("participant") != "p02")
    # As above: the last bit of a matrix product.
    assert_frame_equal(others, sound, rel_tol=0, abs_tol=1e-14)


def test_models_of_the_user_s_own_are_used_and_named(pristine_study: Path, tmp_path: Path) -> None:
    shipped = shipped_model("fusion")
    doubled = {name: 2 * array for name, array in shipped.tensors.items()}
    write_model(tmp_path / "mine.safetensors", doubled, dict(shipped.metadata))
    table = annotate(pristine_study, fusion=tmp_path / "mine.safetensors")
    plain = annotate(pristine_study)
    assert table["margin"].to_list() == pytest.approx((2 * plain["margin"]).to_list())
    assert "mine.safetensors" in table["annotator"][0]
    assert table["annotator"][0] != plain["annotator"][0]


def test_a_model_of_another_kind_is_refused(pristine_study: Path, tmp_path: Path) -> None:
    for name in ("fau-net", "fusion"):
        model = shipped_model(name)
        write_model(tmp_path / name, model.tensors, dict(model.metadata))
    with pytest.raises(WeightsError):
        annotate(pristine_study, fusion=tmp_path / "fau-net")
    with pytest.raises(WeightsError):
        annotate(pristine_study, fau_net=tmp_path / "fusion")


def test_a_fusion_without_the_face_is_refused(pristine_study: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "m", {"fau-net": np.zeros((2, 1))}, {"sources": "pickscore"})
    with pytest.raises(WeightsError):
        annotate(pristine_study, fusion=tmp_path / "m")


def test_a_score_that_the_study_lacks_is_refused_with_the_command_that_brings_it(
    invented_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FERGI_WEIGHTS_DIR", raising=False)
    (invented_study / "scores.csv").unlink()
    with pytest.raises(WeightsError, match="bring them with: fergi fetch pickscore"):
        annotate(invented_study, scores="pickscore")


def test_a_score_that_the_fusion_does_not_know_is_refused(pristine_study: Path) -> None:
    with pytest.raises(ScoresError, match="the fusion does not know 'clip'"):
        annotate(pristine_study, scores="clip")


def test_an_unknown_setting_is_wrong_usage(pristine_study: Path) -> None:
    with pytest.raises(UsageError, match="colour"):
        annotate(pristine_study, colour="red")


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError):
        annotate(tmp_path)


def test_images_without_any_clip_keep_their_rows(invented_study: Path) -> None:
    for clip in invented_study.rglob("*_features.csv"):
        clip.unlink()
    run = annotate_study(invented_study, AnnotationSettings(scores="none"))
    assert len(run.annotations) == 60
    assert set(run.annotations["source"]) == {"none"}
    assert len(run.problems) == 30


@pytest.mark.parametrize("name", ["valence", "valid_share", "prompt_0", "score valence"])
def test_a_score_may_bear_any_name(invented_study: Path, tmp_path: Path, name: str) -> None:
    weights = np.array([[0, 0], [1.0, 0], [0, 3.0], [1.0, 2.0]])
    scores = pl.read_csv(invented_study / "scores.csv")
    margins = []
    for scorer in ("pickscore", name):
        scores.rename({"pickscore": scorer}).write_csv(invented_study / "scores.csv")
        file = tmp_path / "m.safetensors"
        write_model(file, {"fau-net": weights}, {"sources": f"face,{scorer}"})
        margins.append(annotate(invented_study, fusion=file)["margin"].to_list())
    assert margins[1] == margins[0]


def test_annotations_never_stand_beside_the_record_of_others(
    pristine_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, record = tmp_path / "a.csv", tmp_path / "a.csv.json"
    run = annotate_study(pristine_study, AnnotationSettings())
    write_annotations(run, path, {})
    first = path.read_bytes(), record.read_bytes()
    other = annotate_study(pristine_study, AnnotationSettings(scores="none"))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_annotations(other, path, {})
    assert (path.read_bytes(), record.read_bytes()) == first

    with monkeypatch.context() as patch:
        patch.setattr("fergi.pipeline.write_provenance", _raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_annotations(other, path, {})
    assert path.read_bytes() != first[0]
    assert not record.exists()


def _raise_interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_who_cannot_be_excluded_for_lack_of_a_baseline_is_named(invented_study: Path) -> None:
    for clip in (invented_study / "p02").rglob("baseline*_features.csv"):
        clip.write_bytes(b"")
    settings = AnnotationSettings(exclude_unstable=True)
    reasons = [
        problem.reason
        for problem in annotate_study(invented_study, settings).problems
        if problem.place == "p02"
    ]
    assert len(reasons) == 1
    assert reasons[0].startswith("no baseline clip shows a usable face")
    assert not annotate_study(invented_study, AnnotationSettings()).problems
