"""The card of a trained network: what it is, where it comes from, how good it is, its use."""

import polars as pl

from fergi.datasets.invented_faces import INVENTED
from fergi.training.action_units.licences import SHAREABLE
from fergi.training.action_units.origin import Origin
from fergi.training.action_units.predictions import WRITTEN_HEAD

_COLUMNS = ("icc", "icc_within", "pcc", "mae", "mse", "f1")

_USE = """\
**Intended use.** Estimating the twelve action units of faces that look about straight into a
camera, with `fergi extract --estimator fergi-ir50 --weights network.safetensors` (or
`network.onnx`), in research with people who agreed to it.

**Not for.** Telling anyone's emotion, honesty, health or ability. Decisions about a person.
Recognising or finding people. Surveillance. Use at workplaces and in education in the European
Union.
"""

_INVENTED = """\
It has seen no real face, so on real ones it may be far worse than the figures say; measure it on
labelled real faces before you rely on it.
"""

_TAUGHT_BY_INVENTED = """\
It has learned action units from invented faces alone, so on real ones it may be far worse than the
figures say; measure it on labelled real faces before you rely on it.
"""

_RESEARCH = """\
Weights that were learned from licensed faces fall under that licence: do not pass the network on
unless it allows you to.
"""


def model_card(origin: Origin, agreement: pl.DataFrame | None) -> str:
    """Write the card of a network.

    Args:
        origin: Where it comes from.
        agreement: What `fergi.evaluation.action_units.agreement_of_heads` gives for people that
            the network has not seen.

    Returns:
        Markdown.
    """
    return "\n".join(
        [
            f"# {_title(origin)}",
            "",
            _architecture(origin),
            _data(origin),
            _recipe(origin),
            _measured(origin, agreement),
            _USE,
            _licence(origin),
        ]
    )


def _title(origin: Origin) -> str:
    kind = "Action-unit network that compares with a neutral face"
    return kind if origin.recipe.is_calibrated else "Action-unit network"


def _architecture(origin: Origin) -> str:
    recipe = origin.recipe
    width = f", {recipe.width} channels wide" if recipe.width != 64 else ""
    compared = (
        " A picture and a neutral one of the same person pass the first three stages; their "
        "difference enters the last (Feng & de Sa, arXiv:2409.00240)."
    )
    return (
        f"**What it is.** iResNet-{recipe.depth}{width}; 64 intensities and 64 × 5 ordinal "
        "logits, of which the twelve units of DISFA were trained (Feng, Ma & de Sa, "
        "arXiv:2312.03187)."
        f"{compared if recipe.is_calibrated else ''}\n"
    )


def _data(origin: Origin) -> str:
    data = ", ".join(f"{count:,} pictures of {name}" for name, count in origin.datasets.items())
    lines = [f"**Trained on.** {data}; {len(origin.people)} people: {_named(origin.people)}."]
    if origin.held_out:
        count = len(origin.held_out)
        lines.append(f"Held out: {count} people: {_named(origin.held_out)}.")
    else:
        lines.append("Nobody in the data was held out.")
    lines.append(_start(origin))
    return "\n".join(lines) + f"\nFingerprint of the pictures: `{origin.faces}`.\n"


def _start(origin: Origin) -> str:
    if origin.start is None:
        return "Initial weights: drawn, no face-recognition network."
    file = f"Initial weights: {origin.start} (SHA-256 {origin.start_sha256})"
    if not origin.start_people:
        return f"{file}."
    data, people = " and ".join(origin.start_datasets), origin.start_people
    return f"{file}, trained on pictures of {data}; {len(people)} people: {_named(people)}."


def _named(people: tuple[str, ...]) -> str:
    return ", ".join(people[:30]) + (" …" if len(people) > 30 else "")


def _recipe(origin: Origin) -> str:
    recipe = origin.recipe
    return (
        f"**Recipe.** Epochs: {recipe.epochs}, batches of {recipe.batch} (evaluated in parts of "
        f"{recipe.part}), Adam, learning rate {recipe.body_rate:g} and {recipe.last_rate:g} for "
        f"the last layer, weight decay {recipe.weight_decay:g}, {recipe.precision.value}, seed "
        f"{recipe.seed}.\n"
    )


def _measured(origin: Origin, agreement: pl.DataFrame | None) -> str:
    if not origin.held_out:
        return (
            "**Measured.** Nothing: no one was held out. Train with `--folds` to learn what such a "
            "network is worth on people that it has not seen.\n"
        )
    if agreement is None or agreement.is_empty():
        return (
            "**Measured.** Nothing: of none of the people held out is there a picture in which "
            "every unit rests, to compare with.\n"
        )
    rows = agreement.filter(pl.col("head") == WRITTEN_HEAD)
    lines = [
        (
            f"**Measured** on the people held out ({WRITTEN_HEAD} head, whose intensities "
            "`fergi extract` writes; ICC(3,1) over all pictures, and within people; F1 of "
            "intensity 2 or more; – where nothing can be said):"
        ),
        "",
        "| data | unit | " + " | ".join(_COLUMNS) + " |",
        "| --- | --- |" + " --- |" * len(_COLUMNS),
    ]
    for row in rows.iter_rows(named=True):
        values = " | ".join(_number(row[name]) for name in _COLUMNS)
        lines.append(f"| {row['dataset']} | {row['unit']} | {values} |")
    if origin.unmeasured:
        named = _named(origin.unmeasured)
        lines += ["", f"Not measured, for want of a picture in which every unit rests: {named}."]
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{round(value, 2) + 0:.2f}"


def _licence(origin: Origin) -> str:
    is_shareable = origin.licence == SHAREABLE
    return f"**Licence.** {origin.licence}\n\n{'' if is_shareable else _RESEARCH}{_reality(origin)}"


def _reality(origin: Origin) -> str:
    """Warn of a network that real faces have not taught."""
    if {*origin.datasets, *origin.start_datasets} != {INVENTED}:
        return ""
    return _TAUGHT_BY_INVENTED if origin.start_is_foreign else _INVENTED
