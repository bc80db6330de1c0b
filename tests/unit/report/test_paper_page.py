import base64
import html
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fergi.evaluation.as_published.outcome import ENSEMBLE, FUSED_ENSEMBLE, Outcome
from fergi.evaluation.comparison import Cell, comparison_table
from fergi.evaluation.reproduction import Reproduction
from fergi.records.clip import Problem
from fergi.report.accuracy_figures import FACES
from fergi.report.figure_captions import CAPTIONS
from fergi.report.paper_page import paper_page

CELLS = [
    Cell("v1 accuracy, %", "CLIP_score", "57.50", "57.50"),
    Cell("v1 accuracy, %", "PickScore", "63.36", "63.36"),
    Cell("Spearman, sequential", "AU2", ".088", ".087"),
    Cell("rank sums, AU5", "disgusted", "3.94", ""),
    Cell("counts", "pairs_33", "3734", "3734"),
]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (1500).to_bytes(4, "big") + b"the rest"


def invented_outcome(version: str, face: int = 58) -> Outcome:
    right = {FACES[version]: face, ENSEMBLE: 65, FUSED_ENSEMBLE: 67}
    rows = [("p1", name, count, 100 - count) for name, count in right.items()]
    columns = ("participant", "score", "n_correct", "n_incorrect")
    return Outcome(pl.DataFrame(rows, schema=columns, orient="row"), pl.DataFrame())


@pytest.fixture
def found() -> Reproduction:
    return Reproduction(
        reactions=pl.DataFrame({"participant": ["p1", "p1", "p2"]}),
        outcomes={
            "v2": invented_outcome("v2"),
            "v2_as_written": invented_outcome("v2", face=61),
            "v3": invented_outcome("v3"),
        },
    )


@pytest.fixture
def nested() -> dict[str, pl.DataFrame]:
    measures = [
        {
            "valence": "fau-net", "evidence": evidence, "pairs": 3456,
            "accuracy": value, "accuracy_low": value - 0.02, "accuracy_high": value + 0.03,
            "brier": 0.21, "brier_low": 0.2, "brier_high": 0.22,
            "nll": 0.61, "nll_low": 0.6, "nll_high": 0.62, "ece": 0.017,
        }
        for evidence, value in (("face", 0.591), ("face+scores", 0.683))
    ]  # fmt: skip
    tests = [
        {
            "valence": "fau-net", "on": on, "pairs": 3456, "without_face": 0.649,
            "with_face": 0.672, "gain": 0.023, "gain_low": 0.011, "gain_high": 0.034, "p": 0.0007,
        }
        for on in ("pairs with two faces", "all pairs")
    ]  # fmt: skip
    return {"nested_measures": pl.DataFrame(measures), "nested_face_tests": pl.DataFrame(tests)}


@pytest.fixture
def oddities() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "oddity": ["Random heads", "Ties <i>count</i>"],
            "score": ["Aesthetic_score", "HPS_V2_score"],
            "published": [50.32, 61.998],
            "without": [None, 62.64],
            "what_changes": ["Two coin tosses.", "Ties look worse."],
        }
    )


@pytest.fixture
def page(
    found: Reproduction, nested: dict[str, pl.DataFrame], oddities: pl.DataFrame
) -> Callable[..., str]:
    def draw(
        cells: list[Cell] = CELLS, problems: tuple[Problem, ...] = (), **changes: object
    ) -> str:
        parts = {
            "found": found,
            "comparison": comparison_table(cells, is_comparable=not problems),
            "oddities": oddities,
            "nested": nested,
            "pictures": dict.fromkeys(CAPTIONS, PNG),
            "problems": problems,
        }
        return paper_page(**(parts | changes))

    return draw


def words(page: str) -> str:
    """What a reader sees: no style, no markup, single spaces."""
    without_style = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without_style)).split())


def rows(page: str) -> list[str]:
    return [words(row) for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL)]


def test_every_cell_is_on_the_page_with_its_verdict(page: Callable[..., str]) -> None:
    shown = rows(page())
    assert "CLIP_score 57.50 57.50 ✓" in shown
    assert "PickScore 63.36 63.36 ✓" in shown
    assert "AU2 .088 .087 ≠ differs" in shown
    assert "disgusted 3.94 – ≠ differs" in shown
    assert "pairs_33 3734 3734 ✓" in shown


def test_differences_are_red_counted_and_open(page: Callable[..., str]) -> None:
    drawn = page()
    assert '<p class="verdict bad"><b>2 of 5 printed numbers differ</b>' in drawn
    assert len(re.findall(r'<tr class="differs">', drawn)) == 2
    opened = re.findall(r'<details class="bad" open>\s*<summary><span>(.*?)</span>', drawn)
    assert opened == ["Spearman, sequential", "rank sums, AU5"]
    assert "≠ 1 of 1 differ" in words(drawn)


def test_a_page_without_differences_has_no_red(page: Callable[..., str]) -> None:
    drawn = page(CELLS[:2])
    assert '<p class="verdict"><b>2 of 2 printed numbers match</b>' in drawn
    assert "open>" not in drawn
    assert 'class="differs"' not in drawn


def test_an_incomplete_release_has_a_banner_and_no_verdict(page: Callable[..., str]) -> None:
    problem = Problem("data/001/session_1", "is <missing>")
    drawn = page(problems=(problem,))
    assert "1 thing is missing or different" in words(drawn)
    assert "data/001/session_1: is &lt;missing&gt;" in drawn
    assert "AU2 .088 .087 not comparable" in rows(drawn)
    assert "printed numbers match" not in drawn
    assert "✓" not in drawn
    assert "≠" not in drawn


def test_many_problems_are_counted_and_the_first_shown(page: Callable[..., str]) -> None:
    problems = tuple(Problem(f"file {number}", "is missing") for number in range(50))
    drawn = words(page(problems=problems))
    assert "50 things are missing" in drawn
    assert "file 19: is missing and 30 more" in drawn
    assert "file 20" not in drawn


def test_headings_follow_the_paper(page: Callable[..., str]) -> None:
    headings = re.findall(r"<h3>(.*?)</h3>", page())
    assert headings[:3] == ["Version 1, December 2023", "Statistics", "Counts"]


def test_figures_are_inside_the_page_with_their_captions(page: Callable[..., str]) -> None:
    drawn = page()
    addresses = re.findall(r'<img src="data:image/png;base64,([^"]+)" width="960"', drawn)
    assert [base64.b64decode(address) for address in addresses] == [PNG] * len(CAPTIONS)
    seen = words(drawn)
    assert all(caption.point in seen for caption in CAPTIONS.values())
    svg = page(pictures={"hidden_nodes": b"<svg/>"})
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in svg


def test_a_figure_without_a_caption_is_shown_all_the_same(page: Callable[..., str]) -> None:
    assert '<figure id="something_new">' in page(pictures={"something_new": PNG})


def test_a_page_loads_nothing_from_anywhere(page: Callable[..., str]) -> None:
    drawn = page()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', drawn)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "<script" not in drawn
    assert "url(" not in drawn


def test_links_of_the_page_lead_somewhere(page: Callable[..., str]) -> None:
    for drawn in (page(), page(pictures={}, nested={}, oddities=None)):
        targets = set(re.findall(r'href="#([^"]+)"', drawn))
        assert targets <= set(re.findall(r'id="([^"]+)"', drawn))


def test_names_are_text_and_never_markup(page: Callable[..., str]) -> None:
    evil = "<script>alert(1)</script>"
    drawn = page([Cell(evil, evil, "1", "2")], pictures={evil: PNG})
    assert "<script" not in drawn
    assert "&lt;script&gt;alert(1)" in drawn


def test_oddities_stand_with_what_each_one_changes(page: Callable[..., str]) -> None:
    shown = rows(page())
    assert "Random heads Aesthetic_score 50.32 – Two coin tosses." in shown
    assert "Ties <i>count</i> HPS_V2_score 62.00 62.64 Ties look worse." in shown


def test_version_2_as_published_stands_beside_as_written(page: Callable[..., str]) -> None:
    # Only the face differs; 58.23 is what is printed.
    shown = [row for row in rows(page()) if row.startswith(("AUcomb_valence_score", ENSEMBLE))]
    assert shown == ["AUcomb_valence_score 58.23 58.00 61.00 +3.00"]


def test_nested_results_have_intervals_and_the_permutation_test(page: Callable[..., str]) -> None:
    drawn = page()
    shown = rows(drawn)
    assert (
        "fau-net face alone 3,456 59.1 (57.1 to 62.1) 0.210 (0.200 to 0.220) "
        "0.610 (0.600 to 0.620) 0.017" in shown
    )
    assert "fau-net all pairs 3,456 64.9 67.2 2.3 (1.1 to 3.4) 0.0007" in shown
    assert "a gain of 2.3 points (95 % interval 1.1 to 3.4; p = 0.0007)" in words(drawn)


def test_both_protocols_stand_side_by_side(page: Callable[..., str]) -> None:
    shown = rows(page())
    assert "3 (fau-net) 58.00 59.1 (57.1 to 62.1) 65.00 64.9 67.00 68.3 (66.3 to 71.3)" in shown
    assert "2 (au4-au12) 58.00 – 65.00 – 67.00 –" in shown


def test_parts_that_were_not_asked_for_leave_no_trace(page: Callable[..., str]) -> None:
    nothing = Reproduction(reactions=pl.DataFrame({"participant": ["p1"]}))
    drawn = page([], found=nothing, oddities=None, nested={}, pictures={})
    assert "Nothing was compared" in drawn
    assert re.findall(r'<h2 id="(\w+)">', drawn) == ["story", "comparison"]
    assert "None" not in words(drawn)


def test_every_dotted_name_of_the_paper_page_of_the_documentation_resolves() -> None:
    import pkgutil

    document = Path(__file__).parents[3] / "docs" / "paper.md"
    names = set(re.findall(r"`(fergi(?:\.\w+)+)`", document.read_text(encoding="utf-8")))
    assert len(names) > 20
    for name in names:
        assert pkgutil.resolve_name(name) is not None


def test_the_documentation_names_every_figure() -> None:
    document = Path(__file__).parents[3] / "docs" / "paper.md"
    content = document.read_text(encoding="utf-8")
    assert [name for name in CAPTIONS if f"`{name}`" not in content] == []
