"""What trained networks may be used for, by what they come from."""

from collections.abc import Iterable

from fergi.datasets.disfa import DISFA, DISFA_PLUS
from fergi.datasets.invented_faces import INVENTED

SHAREABLE = "MIT"

_OF_DATASETS = {
    DISFA: "DISFA's agreement (research only)",
    DISFA_PLUS: "DISFA+'s agreement (research only)",
    INVENTED: SHAREABLE,
}


def network_licence(datasets: Iterable[str], start: Iterable[str] = ()) -> str:
    """Tell what the data and the initial weights allow.

    Args:
        datasets: Names of those that a network learned from.
        start: Licences of its initial weights; none if they were drawn.

    Returns:
        `"MIT"` if everything may be shared, or else every licence that binds.

    Example:
        >>> network_licence(["invented"])
        'MIT'
    """
    licences = [_OF_DATASETS.get(name, f"unknown ({name})") for name in sorted(datasets)]
    binding = [one for one in dict.fromkeys((*licences, *start)) if one != SHAREABLE]
    return "; ".join(binding) or SHAREABLE
