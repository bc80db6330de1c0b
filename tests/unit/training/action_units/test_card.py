from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from fergi.evaluation.action_units import agreement_of_heads
from fergi.training.action_units.card import model_card
from fergi.training.action_units.networks import initial_network
from fergi.training.action_units.origin import Origin
from fergi.training.action_units.recipe import Recipe
from fergi.training.action_units.start import known_start
from fergi.training.action_units.trained import NETWORK_FILE, read_trained, write_trained

NARROW = Recipe(depth=18, width=2)
ORIGIN = Origin(NARROW, {"invented": 2}, ("a", "b"), (), "0" * 64, "1" * 64, "MIT")
HELD_OUT = replace(ORIGIN, held_out=("c", "d"))


def _agreement() -> pl.DataFrame:
    truths = np.tile(np.arange(6.0)[:, np.newaxis], 12)
    heads = {"regression": truths + 0.25, "ordinal": truths + 1, "mean": truths + 0.5}
    table = pl.DataFrame({"dataset": ["invented"] * 6, "person": ["c"] * 6})
    return agreement_of_heads(heads, truths, table)


def test_the_figures_are_of_the_head_that_extract_writes() -> None:
    card = model_card(HELD_OUT, _agreement())
    assert "(regression head, whose intensities `fergi extract` writes;" in card
    assert "| invented | AU12 | 1.00 | 1.00 | 1.00 | 0.25 |" in card


def test_whoever_was_held_out_and_not_measured_is_named() -> None:
    some = model_card(replace(HELD_OUT, unmeasured=("d",)), _agreement())
    assert "Not measured, for want of a picture in which every unit rests: d." in some
    none = model_card(replace(HELD_OUT, unmeasured=("c", "d")), None)
    assert "Nothing: of none of the people held out is there a picture" in none
    assert "no one was held out" not in none


def test_only_a_network_that_has_seen_no_real_face_says_so() -> None:
    invented = replace(ORIGIN, start="n", start_sha256="2", start_datasets=("invented",))
    recognition = replace(ORIGIN, start="r50.pth", start_sha256="2", start_is_foreign=True)
    licensed = replace(ORIGIN, start="n", start_sha256="2", start_datasets=("disfa",))
    texts = {
        name: model_card(origin, None)
        for name, origin in {"drawn": ORIGIN, "invented": invented, "real": recognition}.items()
    }
    assert "It has seen no real face" in texts["drawn"]
    assert "It has seen no real face" in texts["invented"]
    assert "It has seen no real face" not in texts["real"]
    assert "It has learned action units from invented faces alone" in texts["real"]
    assert "real face" not in model_card(licensed, None)


def test_initial_weights_say_whom_they_have_seen_and_what_binds_them(tmp_path: Path) -> None:
    origin = replace(
        ORIGIN, licence="DISFA's agreement; initial weights: X", start="r50.pth",
        start_sha256="2", start_is_foreign=True,
    )  # fmt: skip
    write_trained(tmp_path, initial_network(NARROW), origin, None)
    start = known_start(tmp_path / NETWORK_FILE, "MIT")
    assert start.licences == ("DISFA's agreement", "initial weights: X")
    assert (start.people, start.datasets, start.is_foreign) == (("a", "b"), ("invented",), True)
    assert known_start(tmp_path / NETWORK_FILE, "Y").licences[-1] == "initial weights: Y"
    later = replace(
        ORIGIN, people=("z",), start="network.safetensors", start_sha256="3",
        start_people=start.people, start_datasets=("disfa",),
    )  # fmt: skip
    write_trained(tmp_path / "later", initial_network(NARROW), later, None)
    assert read_trained(tmp_path / "later" / NETWORK_FILE).people == {"a", "b", "z"}
    known = known_start(tmp_path / "later" / NETWORK_FILE, None)
    assert (known.datasets, known.is_foreign) == (("disfa", "invented"), False)
    card = (tmp_path / "later" / "network.md").read_text(encoding="utf-8")
    assert "trained on pictures of disfa; 2 people: a, b." in card
