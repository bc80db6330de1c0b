"""Which scorers there are: those of this package, and those that other packages bring."""

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from fergi.errors import MissingExtraError, ScoresError, UsageError
from fergi.scorers.protocol import ScorerFactory, ScorerOptions, Traits
from fergi.weights.scorer_weights import found_files, require_all, scorer_weights

GROUP = "fergi.scorers"
"""The entry points under which other packages announce their scorers."""

BUILT_IN = MappingProxyType(
    {
        "clip": "fergi.scorers.clip_scores:ClipScore",
        "laion_aesthetic": "fergi.scorers.clip_scores:AestheticScore",
        "blip": "fergi.scorers.blip_scores:BlipScore",
        "imagereward": "fergi.scorers.blip_scores:ImageReward",
        "pickscore": "fergi.scorers.clip_scores:PickScore",
        "hpsv2": "fergi.scorers.clip_scores:HpsV2",
        "hpsv2_1": "fergi.scorers.clip_scores:HpsV21",
        "vqa": "fergi.scorers.vqa:VqaScore",
        "hpsv3": "fergi.scorers.hpsv3:HpsV3",
    }
)
"""`hpsv2` is version 2.0, the one that FERGI used and the shipped fusion knows."""

TAKEN = ("participant", "session", "image", "prompt", "path", "image_sha256", "reason", "face")
"""Names of other columns, which no scorer can have."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def scorer_places() -> dict[str, EntryPoint]:
    """Name each scorer, and where its code is; nothing is imported.

    A scorer of another package cannot take the name of one of this package.
    """
    others = {one.name: one for one in entry_points(group=GROUP)}
    own = {name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}
    return others | own


def scorer_factories(names: Iterable[str]) -> dict[str, ScorerFactory]:
    """Import the code of some scorers.

    Raises:
        UsageError: If there is no such scorer.
        MissingExtraError: If torch or transformers is not installed.
        ScoresError: If the code of another package fails.
    """
    places = scorer_places()
    factories = {}
    for name in names:
        if name not in places:
            raise UsageError(f"there is no scorer '{name}', only {', '.join(sorted(places))}")
        if not _NAME.fullmatch(name) or name in TAKEN:
            raise ScoresError(f"a scorer cannot be named '{name}'; its package must rename it")
        factories[name] = _loaded(places[name])
    return factories


def _loaded(place: EntryPoint) -> ScorerFactory:
    try:
        factory: ScorerFactory = place.load()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"torch", "transformers"}:
            raise MissingExtraError("scoring images", "scorers") from error
        raise ScoresError(f"the scorer '{place.name}' needs {error.name}; install it") from error
    except Exception as error:
        raise ScoresError(
            f"the scorer '{place.name}' cannot be loaded from {place.value} "
            f"({type(error).__name__}: {error}); "
            "tell those who wrote it"
        ) from error
    return factory


def traits_of(factory: ScorerFactory) -> Traits:
    """Look up what is to be known of a scorer; whole images where it says nothing."""
    traits: Traits = getattr(factory, "traits", Traits())
    return traits


def require_weights(factories: Mapping[str, ScorerFactory], options: ScorerOptions) -> None:
    """Check that the weights of all scorers are at hand, before any work is done.

    Raises:
        WeightsError: If some are not; the message names all that are missing.
    """
    needed = dict.fromkeys(
        entry for factory in factories.values() for entry in traits_of(factory).weights
    )
    require_all(
        {
            entry: found_files(entry, options.weights.get(entry), options.weights_folder)
            for entry in needed
        }
    )
    for factory in factories.values():
        require_files = getattr(factory, "require_files", None)
        if callable(require_files):
            require_files(options)


def require_known_names(options: ScorerOptions) -> None:
    """Check that weights are named only for scorers and for entries of the register.

    Raises:
        UsageError: If a name is neither.
    """
    known = {*scorer_places(), *scorer_weights()}
    for name in options.weights:
        if name not in known:
            raise UsageError(
                f"--weights names '{name}', which is no scorer; choose one of "
                f"{', '.join(sorted(known))}"
            )
