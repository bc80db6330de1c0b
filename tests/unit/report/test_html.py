import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fergi.datasets.fergi_study import read_study
from fergi.datasets.synthetic import TRUTH_FILE
from fergi.evaluation.truth import planted_pairs
from fergi.pipeline import annotate_study
from fergi.report.html import annotation_page
from fergi.settings import AnnotationSettings


@pytest.fixture
def page() -> Callable[[Path], str]:
    def draw(root: Path) -> str:
        run = annotate_study(root, AnnotationSettings())
        pairs = planted_pairs(run.annotations, pl.read_csv(root / TRUTH_FILE))
        return annotation_page(read_study(root), run, pairs)

    return draw


def test_a_page_loads_nothing_from_anywhere(page: Callable[[Path], str], pristine_study) -> None:
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page(pristine_study))
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "<script" not in page(pristine_study)


def test_a_prompt_is_text_and_never_markup(page: Callable[[Path], str], invented_study) -> None:
    record = invented_study / "p01" / "session_1" / "data.json"
    content = record.read_text(encoding="utf-8")
    evil = re.sub(r'"prompt": "[^"]*"', '"prompt": "<script>alert(1)</script>"', content)
    record.write_text(evil, encoding="utf-8")
    assert "<script>alert" not in page(invented_study)
    assert "&lt;script&gt;alert" in page(invented_study)


def test_a_page_says_of_every_pair_what_was_planted_and_what_was_found(
    page: Callable[[Path], str], pristine_study: Path
) -> None:
    pairs = _planted(pristine_study)
    assert pairs.select(pl.struct("participant", "session").n_unique()).item() > 4
    listed = _listed_pairs(page(pristine_study))
    assert len(listed) == len(pairs)
    for shown, pair in zip(listed, pairs.iter_rows(named=True), strict=True):
        both = [int(re.findall(r"\d+", pair[f"image_{side}"])[-1]) for side in (0, 1)]
        planted = both[0] if pair["truth_0"] > pair["truth_1"] else both[1]
        assert shown[:2] == (f"{both[0]} and {both[1]}", str(planted))
        assert shown[2] == ("–" if pair["preferred"] is None else str(both[pair["preferred"]]))
        verdict = {True: "✓ right", False: "✗ wrong", None: "undecided"}[pair["is_right"]]
        assert shown[4:] == (verdict, pair["source"])


def test_a_page_says_how_many_pairs_were_got_right(
    page: Callable[[Path], str], pristine_study: Path
) -> None:
    pairs = _planted(pristine_study)
    right, decided = pairs["is_right"].sum(), pairs["is_right"].count()
    assert f"{right} of {decided} preferences are right" in page(pristine_study)
    for participant, own in pairs.group_by("participant"):
        tally = f"{participant[0]}: {own['is_right'].sum()} of {len(own)} pairs right"
        assert tally in page(pristine_study)


def test_a_page_that_leaves_pairs_out_says_so(
    page: Callable[[Path], str], pristine_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Listed are" not in page(pristine_study)
    of = len(_planted(pristine_study))
    monkeypatch.setattr("fergi.report.html._PAIRS_LISTED", of - 1)
    cut = page(pristine_study)
    shown = len(_listed_pairs(cut))
    assert 0 < shown < of
    assert f"Listed are the first {shown} of {of} pairs" in cut


def _planted(root: Path) -> pl.DataFrame:
    annotations = annotate_study(root, AnnotationSettings()).annotations
    return planted_pairs(annotations, pl.read_csv(root / TRUTH_FILE))


def _listed_pairs(page: str) -> list[tuple[str, ...]]:
    """Read the rows of the list of all pairs: cells without their marks."""
    _, _, below = page.partition("Every pair")
    rows = re.findall(r"<tr>(<td>.*)", below)
    return [tuple(re.sub("<(?!td).*?>", "", row).split("<td>")[1:]) for row in rows]


def test_a_page_survives_missing_clips_and_pictures(
    page: Callable[[Path], str], invented_study: Path
) -> None:
    folder = invented_study / "p01" / "session_1"
    (folder / "reaction_clip_1_features.csv").unlink()
    (folder / "image2.png").unlink()
    (folder / "reaction_clip_3_features.csv").write_bytes(b"junk")
    assert "</html>" in page(invented_study)


def test_the_same_study_gives_the_same_page(page: Callable[[Path], str], pristine_study) -> None:
    assert page(pristine_study) == page(pristine_study)
