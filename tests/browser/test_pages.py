"""Pages one by one: weight, privacy, speed, accessibility, languages, the researcher's."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # this folder is no package
from walk import Walk

pytestmark = pytest.mark.timeout(600)

Visits = Callable[..., Any]
WEB = Path(__file__).parents[2] / "src/fergi/studio/web"


def test_the_page_before_the_camera_weighs_less_than_300_kilobytes(
    visit: Visits, studio: Any
) -> None:
    seen = visit()
    sizes: list[int] = []
    seen.page.on("response", lambda one: sizes.append(len(one.body())))
    Walk(seen.page).join(studio.link())
    seen.page.wait_for_load_state("networkidle")
    assert sum(sizes) < 300_000


@pytest.mark.usefixtures("mesh_weights")
def test_trying_it_asks_for_nothing_once_the_camera_is_on(visit: Visits, studio: Any) -> None:
    seen = visit()
    seen.page.goto(f"{studio.origin}/try")
    seen.page.click(".primary")
    seen.page.wait_for_selector(".stage")
    seen.page.wait_for_selector(".resting", state="hidden")
    asked = len(seen.requests)
    seen.page.wait_for_timeout(4000)
    assert len(seen.requests) == asked
    assert seen.addresses() == {studio.origin}
    assert {method for method, _, _ in seen.requests} == {"GET"}
    assert seen.page.locator("[data-count]").get_attribute("data-count") == "0"
    assert seen.page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
    assert seen.problems == []


@pytest.mark.usefixtures("mesh_weights")
def test_a_grin_raises_the_lip_corners_and_the_valence(visit: Visits, studio: Any) -> None:
    seen = visit()
    seen.page.goto(f"{studio.origin}/try")
    seen.page.click(".primary")
    seen.page.wait_for_selector(".stage")
    seen.page.wait_for_selector(".resting", state="hidden")
    seen.page.click("input[value=au4-au12]", force=True)
    seen.page.wait_for_selector(".gauge-number:not(:has-text('%'))")
    corners, valences = [], []
    for _ in range(60):  # the video grins once in ten seconds
        corners.append(_lane(seen.page, 12))
        valences.append(_number(seen.page.inner_text(".gauge-number")))
        seen.page.wait_for_timeout(200)
    assert max(corners) > 2
    assert max(valences) > 0.2
    assert min(corners) < 0.5


@pytest.mark.usefixtures("mesh_weights")
def test_the_browser_looks_at_many_frames_a_second(visit: Visits, studio: Any) -> None:
    # Fifteen where nothing else runs: `make bench` asks for these.
    least = 15 if "FERGI_MEASURES_SPEED" in os.environ else 3
    seen = visit()
    seen.page.goto(f"{studio.origin}/try")
    seen.page.click(".primary")
    seen.page.wait_for_selector(".stage")
    best = 0.0
    end = time.monotonic() + 60
    # Other programs may take the processors for a while; what counts is what it can do.
    while best < least and time.monotonic() < end:
        seen.page.wait_for_timeout(1000)
        rate = seen.page.locator(".status .chip").nth(1).inner_text().split()[0]
        best = max(best, float(rate) if rate.isdigit() else 0)
    assert best >= least


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(visit: Visits, studio: Any, scheme: str) -> None:
    rules = WEB / "node_modules/axe-core/axe.min.js"
    if not rules.exists():
        pytest.skip("axe-core is not installed; run: make web")
    seen = visit(color_scheme=scheme)
    found: dict[str, list[str]] = {}

    def check(name: str) -> None:
        seen.page.evaluate(rules.read_text(encoding="utf-8"))
        result = seen.page.evaluate("axe.run()")
        found[name] = [
            f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in result["violations"]
        ]

    seen.page.goto(f"{studio.origin}/try")
    check("try")
    walk = Walk(seen.page, lambda name: check(name) if name not in {"waiting", "image"} else None)
    walk.begin(studio.link(), "video")
    walk.finish()
    _enter(seen.page, studio)
    for place in ("", "participants", "annotations", "links"):
        seen.page.goto(f"{studio.origin}/admin#/{place}")
        seen.page.wait_for_selector("h1")
        check(f"admin {place}")
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_pages_speak_chinese(visit: Visits, studio: Any) -> None:
    seen = visit(locale="zh-CN")
    seen.page.goto(f"{studio.origin}/try")
    assert seen.page.locator("html").get_attribute("lang") == "zh-Hans"
    assert "脸" in seen.page.inner_text("h1")
    seen.page.select_option("select", "en")
    assert "face" in seen.page.inner_text("h1")


def test_nothing_moves_when_the_image_appears(visit: Visits, studio: Any) -> None:
    seen = visit()
    walk = Walk(seen.page)
    walk.begin(studio.link(), "video")
    walk.until("image")
    before = seen.page.locator(".stimulus-frame").bounding_box()
    seen.page.wait_for_selector(".stimulus-place .stimulus")
    assert seen.page.locator(".stimulus-frame").bounding_box() == before


def test_the_researcher_sees_plays_and_deletes(visit: Visits, studio: Any) -> None:
    person = visit()
    walk = Walk(person.page)
    walk.begin(studio.link(), "video")
    walk.finish()
    seen = visit()
    page = seen.page
    _enter(page, studio)
    assert studio.token not in page.url
    page.click(".name")
    page.click(".clip-link")
    page.wait_for_selector(".player video")
    page.click(".controls button")
    page.wait_for_timeout(1000)
    assert page.evaluate("document.querySelector('.player video').currentTime") > 0
    page.goto(f"{studio.origin}/admin#/links")
    page.click(".maker .primary")
    assert page.inner_text(".made pre").count("/join#") == 5
    page.goto(f"{studio.origin}/admin#/participants/{studio.participants()[0].name}")
    page.click(".heading .danger")
    page.click("dialog .danger")
    page.wait_for_selector("dialog", state="detached")
    page.wait_for_selector(".empty")
    assert studio.participants() == []
    assert seen.problems == []


def test_the_researchers_pages_need_the_token(visit: Visits, studio: Any) -> None:
    seen = visit()
    seen.page.goto(f"{studio.origin}/admin#{'x' * 43}")
    seen.page.wait_for_selector(".login [role=alert]")


def test_the_face_runtime_reports_to_nobody(pages: Path) -> None:
    programs = [*pages.rglob("*.js"), *pages.rglob("*.wasm")]
    assert any(path.suffix == ".wasm" for path in programs)
    # What later versions of the runtime report usage by; arXiv and GitHub addresses in messages
    # are names, and the recorded requests of every test show that nothing is asked.
    for path in programs:
        content = path.read_bytes().lower()
        for word in (b"clearcut", b"play.google", b"sendbeacon", b"google-analytics"):
            assert word not in content, f"{path.name} holds {word.decode()}"


@pytest.mark.usefixtures("mesh_weights")
def test_the_browser_computes_what_python_computes(node: str, tmp_path: Path) -> None:
    if not (WEB / "node_modules").is_dir():
        pytest.skip("the packages of the pages are not installed; run: make web")
    python = tmp_path / "python.json"
    python.write_text(json.dumps(_units_by_python(WEB / "tests/recorded_faces.json")))
    run = subprocess.run(
        [node, "vitest", "run", "--reporter=verbose"],
        cwd=WEB,
        env={**os.environ, "FERGI_UNITS_BY_PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert re.search("✓.*the same action units to 1e-5", run.stdout)


def _units_by_python(recorded: Path) -> dict[str, list[list[float]]]:
    """Estimate the units of recorded landmarks; the first face is taken for the neutral one.

    `intensities` are as the estimator gives them. It works in single precision, which moves
    them by some 1e-5; `exact` are the same functions' in double precision, as in the browser.
    """
    from fergi.records.landmarks import head_ratios
    from fergi.stages.perception.estimators import mesh as estimator
    from fergi.stages.perception.landmarks import mesh_landmarks68
    from fergi.weights.store import shipped_model

    model = shipped_model("mesh")
    estimate = estimator.MeshEstimator(model).intensities
    faces = {name: np.array(rows) for name, rows in json.loads(recorded.read_text()).items()}
    meshes, rotations = faces["meshes"].reshape(-1, 478, 3), faces["rotations"].reshape(-1, 3, 3)
    rigid = model.tensors["rigid"].astype(np.float32)
    single = estimator.mesh_observations(meshes, faces["blendshapes"], rotations, rigid)
    double = single.astype(np.float64)
    aligned = estimator.aligned_meshes(meshes * [1.0, -1.0, -1.0], rigid.astype(np.float64))
    # What is kept of a face is in single precision on both sides.
    double[:, : estimator.MESH_NUMBERS] = aligned.reshape(len(meshes), -1).astype(np.float32)
    ratios = head_ratios(np.stack([mesh_landmarks68(mesh) for mesh in meshes]))
    return {
        "observations": single.tolist(),
        "intensities": estimate(single, single[0]).tolist(),
        "exact": estimate(double, double[0]).tolist(),
        "ratios": ratios.tolist(),
    }


def _enter(page: Any, studio: Any) -> None:
    page.goto(f"{studio.origin}/admin#{studio.token}")
    page.wait_for_selector(".tabs")


def _lane(page: Any, unit: int) -> float:
    lane = page.locator(".lane").filter(has_text=f"AU{unit}").first
    return _number(lane.locator(".lane-value").inner_text())


def _number(text: str) -> float:
    return float(text.replace("−", "-").replace("–", "0"))
