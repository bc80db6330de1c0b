import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

import fergi.scorers.score_file as module
from fergi.errors import ScoresError, StudyError, UsageError
from fergi.files import read_table, write_table
from fergi.scorers.plan import ScoringPlan
from fergi.scorers.protocol import ScorerOptions
from fergi.scorers.score_file import ScoreRequest, score
from fergi.scorers.sheet import score_sheet

FORMATS = pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
Paint = Callable[..., Image.Image]


@pytest.fixture
def table(tmp_path: Path, make_image: Paint) -> Path:
    """Six rows: four images, one of them broken; two prompts, one row twice; a column more."""
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        make_image(number).save(tmp_path / "pictures" / f"{number}.png")
    (tmp_path / "pictures" / "3.png").write_bytes(b"broken")
    rows = [
        {"prompt": "a fox", "image": f"pictures/{number}.png", "note": number}
        for number in range(4)
    ]
    rows += [{"prompt": "", "image": "pictures/0.png", "note": 4}, {**rows[1], "note": 5}]
    pl.DataFrame(rows).write_parquet(tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


@pytest.fixture
def request_clip(options: ScorerOptions) -> ScoreRequest:
    return ScoreRequest(("clip", "laion_aesthetic"), options)


@FORMATS
def test_rows_keep_their_order_and_their_columns(
    table: Path, request_clip: ScoreRequest, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"scores.{ending}"
    run = score(score_sheet(table, out), request_clip, out)
    written = read_table(out)
    assert written.columns == [
        *("prompt", "image", "note", "clip", "laion_aesthetic", "image_sha256", "reason")
    ]
    assert written["note"].to_list() == list(range(6))
    assert written["clip"].null_count() == 1
    assert written["clip"][1] == written["clip"][5]
    assert written["clip"].to_list() == run.table["clip"].to_list()
    assert written["reason"][3] == "is no PNG, JPEG or WebP image; replace the file"
    assert written["reason"].null_count() == 5
    assert [problem.place for problem in run.problems] == [str(tmp_path / "pictures/3.png")]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were about to be scored, run by run."""
    counts: list[int] = []
    original = module.score_images

    def count(plan: ScoringPlan, known: Any, *rest: Any) -> Any:
        wanted = {one for one in plan.images for name in plan.factories if one not in known[name]}
        counts.append(len(wanted))
        return original(plan, known, *rest)

    monkeypatch.setattr(module, "score_images", count)
    return counts


@FORMATS
def test_a_second_run_only_tries_what_is_missing(
    table: Path, request_clip: ScoreRequest, tmp_path: Path, ending: str, counted: list[int]
) -> None:
    out = tmp_path / f"scores.{ending}"
    first = score(score_sheet(table, out), request_clip, out)
    second = score(score_sheet(table, out), request_clip, out)
    assert counted == [5, 1]
    assert second.taken_over == 8
    assert second.table.equals(first.table)


def test_a_changed_image_and_a_changed_prompt_are_scored_again(
    table: Path, request_clip: ScoreRequest, tmp_path: Path, counted: list[int], make_image: Paint
) -> None:
    out = tmp_path / "scores.parquet"
    first = score(score_sheet(table, out), request_clip, out)
    make_image(99).save(tmp_path / "pictures" / "2.png")
    second = score(score_sheet(table, out), request_clip, out)
    assert counted == [5, 2]
    assert second.table["clip"][2] != first.table["clip"][2]
    assert second.table["clip"][0] == first.table["clip"][0]


def test_what_was_killed_half_way_is_taken_up_again(
    table: Path,
    request_clip: ScoreRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counted: list[int],
) -> None:
    """Stopped after the second batch of one image, with a file saved after each."""
    monkeypatch.setattr(module, "_SAVE_SECONDS", -1.0)
    out = tmp_path / "scores.parquet"
    batches = []

    def stop(done: int, total: int) -> None:
        batches.append(done)
        if done == 5:
            raise KeyboardInterrupt

    slow = ScoreRequest(request_clip.scorers, request_clip.options, batch_size=1)
    with pytest.raises(KeyboardInterrupt):
        score(score_sheet(table, out), slow, out, stop)
    half = pl.read_parquet(out)
    assert 0 < half["clip"].count() < 5
    finished = score(score_sheet(table, out), slow, out)
    assert counted[1] < counted[0]
    assert finished.taken_over > 0
    assert finished.table["clip"].null_count() == 1


@pytest.mark.parametrize("end", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_ends_a_run_what_is_done_is_kept(
    table: Path, request_clip: ScoreRequest, tmp_path: Path, end: type[BaseException]
) -> None:
    """Long before a minute has gone by."""
    out = tmp_path / "scores.parquet"

    def stop(done: int, total: int) -> None:
        if done == 5:  # three scores, and two that the broken image cannot have
            raise end

    slow = ScoreRequest(request_clip.scorers, request_clip.options, batch_size=1)
    with pytest.raises(end):
        score(score_sheet(table, out), slow, out, stop)
    half = pl.read_parquet(out)
    assert half["clip"].count() + half["laion_aesthetic"].count() == 3
    assert score(score_sheet(table, out), slow, out).taken_over == 3


def _too_large(*_: object) -> list[float]:
    raise MemoryError


def test_too_little_memory_leaves_what_is_done(
    table: Path, request_clip: ScoreRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fergi.scorers.clip_scores.AestheticScore.scores", _too_large)
    out = tmp_path / "scores.csv"
    with pytest.raises(ScoresError, match="what is done is kept"):
        score(score_sheet(table, out), request_clip, out)
    half = read_table(out)
    assert half["clip"].count() == 5  # of six rows, whose fourth names a broken image
    assert half["laion_aesthetic"].count() == 0


def test_a_run_that_ends_before_any_score_writes_nothing(
    table: Path, request_clip: ScoreRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fergi.scorers.clip_scores.ClipScore.scores", _too_large)
    with pytest.raises(ScoresError):
        score(score_sheet(table, tmp_path / "s.csv"), request_clip, tmp_path / "s.csv")
    assert list(tmp_path.glob("s.csv*")) == []


def test_columns_of_other_scorers_stay(table: Path, options: ScorerOptions, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    first = score(score_sheet(table, out), ScoreRequest(("clip",), options), out)
    second = score(score_sheet(table, out), ScoreRequest(("blip",), options), out)
    assert second.table["clip"].to_list() == first.table["clip"].to_list()
    assert set(second.origins) == {"clip", "blip"}
    record = json.loads((tmp_path / "scores.csv.json").read_text("utf-8"))
    assert set(record["settings"]["scorers"]) == {"clip", "blip"}


def test_scores_of_other_weights_are_not_mixed(
    table: Path, weights_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    score(
        score_sheet(table, out),
        ScoreRequest(("hpsv2",), ScorerOptions(weights_folder=weights_folder)),
        out,
    )
    before = pl.read_parquet(out)
    other = ScorerOptions(
        weights={"hpsv2": weights_folder / "hpsv2_1" / "HPS_v2.1_compressed.pt"},
    )
    with pytest.raises(UsageError, match="hpsv2 that came about otherwise"):
        score(score_sheet(table, out), ScoreRequest(("hpsv2",), other), out)
    assert pl.read_parquet(out).equals(before)
    replaced = score(score_sheet(table, out), ScoreRequest(("hpsv2",), other, overwrite=True), out)
    assert replaced.table["hpsv2"].to_list() != before["hpsv2"].to_list()


def test_another_precision_is_another_origin(
    table: Path, weights_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    for dtype, fits in (("float32", True), ("bfloat16", False)):
        request = ScoreRequest(("clip",), ScorerOptions(weights_folder=weights_folder, dtype=dtype))
        if fits:
            score(score_sheet(table, out), request, out)
        else:
            with pytest.raises(UsageError, match="came about otherwise"):
                score(score_sheet(table, out), request, out)


def test_a_user_s_own_column_is_never_replaced_unasked(
    table: Path, request_clip: ScoreRequest, tmp_path: Path
) -> None:
    out = tmp_path / "mine.csv"
    own = pl.read_parquet(table).with_columns(clip=pl.lit(7.0))
    write_table(own, out)
    with pytest.raises(UsageError, match="clip that came about otherwise"):
        score(score_sheet(table, out), request_clip, out)
    assert read_table(out).equals(own)


def test_the_record_tells_where_every_score_comes_from(
    table: Path, request_clip: ScoreRequest, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    score(score_sheet(table, out), request_clip, out)
    record = json.loads((tmp_path / "scores.parquet.json").read_text("utf-8"))
    origin = record["settings"]["scorers"]["laion_aesthetic"]
    assert origin["dtype"] == "float32"
    assert origin["preparation"] == "short-side"
    assert {"torch", "transformers", "pillow"} <= origin["libraries"].keys()
    model = origin["weights"]["clip"]["model.safetensors"]
    assert len(model["sha256"]) == 64
    assert model["revision"] == "32bd64288804d66eefd0ccbe215aa642df71cc41"
    assert "openai/clip-vit-large-patch14" in model["published_at"]
    assert model["is_the_pinned_one"] is False
    assert record["models"]["clip/model.safetensors"] == model["sha256"]
    assert len(record["input_fingerprint"]) == 64
    assert record["summary"]["problems"]


def test_nothing_is_written_where_no_file_is_named(
    table: Path, request_clip: ScoreRequest, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert score(score_sheet(table, tmp_path / "x.csv"), request_clip).table["clip"].count() == 5
    assert sorted(tmp_path.rglob("*")) == before


def test_an_earlier_file_that_is_no_table_is_left_alone(
    table: Path, request_clip: ScoreRequest, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    out.write_bytes(b"not mine to destroy")
    with pytest.raises(ScoresError, match="is there and is no table"):
        score(score_sheet(table, out), request_clip, out)
    assert out.read_bytes() == b"not mine to destroy"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"prompt": ["a"]}, "lacks the columns image"),
        ({"prompt": ["a"], "image": [3]}, "the column image holds no texts"),
        ({"prompt": ["a"], "image": [None]}, "1 rows name no image"),
        ({"prompt": [], "image": []}, "has no rows"),
    ],
)
def test_a_table_that_cannot_be_scored_is_refused(
    tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    path = tmp_path / "table.parquet"
    pl.DataFrame(columns, schema_overrides={"prompt": pl.String}).write_parquet(path)
    with pytest.raises(ScoresError, match=message):
        score_sheet(path, tmp_path / "out.csv")


def test_what_is_neither_a_study_nor_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match="there is nothing here"):
        score_sheet(tmp_path / "nothing.csv", tmp_path / "out.csv")
    (tmp_path / "table.xlsx").touch()
    with pytest.raises(ScoresError, match="no study's folder and no table"):
        score_sheet(tmp_path / "table.xlsx", tmp_path / "out.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError):
        score_sheet(tmp_path / "empty", tmp_path / "out.csv")


def test_a_csv_cannot_tell_an_empty_prompt_from_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("prompt,image\n,a.png\n007,b.png\n", encoding="utf-8")
    sheet = score_sheet(tmp_path / "t.csv", tmp_path / "out.csv")
    assert [one.prompt for one in sheet.images] == ["", "007"]


def test_no_scorer_is_no_request(table: Path, options: ScorerOptions, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scorer"):
        score(score_sheet(table, tmp_path / "x.csv"), ScoreRequest((), options))
