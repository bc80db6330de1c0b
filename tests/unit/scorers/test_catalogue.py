import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fergi.errors import MissingExtraError, ScoresError, UsageError, WeightsError
from fergi.scorers.catalogue import (
    BUILT_IN,
    require_known_names,
    require_weights,
    scorer_factories,
    scorer_places,
    traits_of,
)
from fergi.scorers.protocol import Preparation, Scorer, ScorerOptions, Traits

PLUG_IN = """
class Redness:
    def __init__(self, options):
        self.dtype = options.dtype

    def scores(self, prompts, images):
        return [image.resize((1, 1)).getpixel((0, 0))[0] / 255 for image in images]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a package with one scorer, as pip would install it."""

    def make(name: str, code: str = PLUG_IN, value: str = "redness_plugin:Redness") -> None:
        (tmp_path / "redness_plugin.py").write_text(code, encoding="utf-8")
        metadata = tmp_path / "redness_plugin-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: redness-plugin\nVersion: 1.2\n"
        )
        (metadata / "entry_points.txt").write_text(f"[fergi.scorers]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "redness_plugin", raising=False)

    return make


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_every_built_in_scorer_can_be_imported(name: str) -> None:
    factory = scorer_factories([name])[name]
    assert isinstance(traits_of(factory), Traits)
    assert issubclass(factory, Scorer)  # type: ignore[arg-type]
    assert factory.__doc__


def test_a_scorer_of_another_package_is_found(
    install: Callable[..., None], make_image: Callable[..., Image.Image]
) -> None:
    install("redness")
    place = scorer_places()["redness"]
    assert place.dist is not None
    assert (place.dist.name, place.dist.version) == ("redness-plugin", "1.2")
    factory = scorer_factories(["redness"])["redness"]
    assert traits_of(factory) == Traits(Preparation.WHOLE)
    (score,) = factory(ScorerOptions()).scores(["a"], [make_image(0)])
    assert score is not None
    assert 0 <= score <= 1


def test_another_package_cannot_take_a_name_of_ours(install: Callable[..., None]) -> None:
    install("pickscore")
    assert scorer_places()["pickscore"].value == BUILT_IN["pickscore"]


@pytest.mark.parametrize("name", ["face", "prompt", "reason", "two words", "1st"])
def test_a_name_that_no_column_can_have_is_refused(install: Callable[..., None], name: str) -> None:
    install(name)
    with pytest.raises((ScoresError, UsageError)):
        scorer_factories([name])


def test_a_plug_in_that_cannot_be_imported_is_named(install: Callable[..., None]) -> None:
    install("redness", "import a_package_that_is_not_there")
    with pytest.raises(ScoresError, match="'redness' needs a_package_that_is_not_there"):
        scorer_factories(["redness"])


def test_a_plug_in_without_its_class_is_named(install: Callable[..., None]) -> None:
    install("redness", "x = 1")
    with pytest.raises(ScoresError, match="'redness' cannot be loaded from redness_plugin:Redness"):
        scorer_factories(["redness"])


def test_a_plug_in_whose_code_fails_is_named(install: Callable[..., None]) -> None:
    install("redness", "1 / 0")
    with pytest.raises(ScoresError, match=r"'redness' cannot be loaded .*ZeroDivisionError: div"):
        scorer_factories(["redness"])


def test_without_torch_the_extra_is_named(install: Callable[..., None]) -> None:
    install("redness", "raise ModuleNotFoundError('No torch', name='torch')")
    with pytest.raises(MissingExtraError, match=r"fergi\[scorers\]"):
        scorer_factories(["redness"])


def test_an_unknown_scorer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no scorer 'beauty', only blip, clip"):
        scorer_factories(["beauty"])


def test_all_missing_weights_are_named_at_once_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FERGI_WEIGHTS_DIR", raising=False)
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path))
    factories = scorer_factories(["clip", "laion_aesthetic", "hpsv2"])
    with pytest.raises(WeightsError) as caught:
        require_weights(factories, ScorerOptions())
    message = str(caught.value)
    assert (
        "clip lacks model.safetensors, config.json, vocab.json, merges.txt (1.71 GB, MIT)"
        in message
    )
    assert "laion_aesthetic lacks sac+logos+ava1-l14-linearMSE.pth (3.7 MB" in message
    assert "fergi fetch clip && fergi fetch laion_aesthetic && fergi fetch hpsv2" in message
    assert str(tmp_path / "scorers" / "hpsv2") in message
    assert "\n" not in message


def test_weights_for_nobody_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names 'pikscore', which is no scorer"):
        require_known_names(ScorerOptions(weights={"pikscore": tmp_path}))
