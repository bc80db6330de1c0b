from pathlib import Path

import polars as pl
import pytest

from fergi.datasets.fergi_study import read_study
from fergi.evaluation.as_published.arithmetic import printed_activation
from fergi.pipeline import activation_table
from fergi.records.clip import ClipKind
from fergi.records.study import Study
from fergi.training.ranked_reactions import RankedReactions, ranked_reactions


@pytest.fixture(scope="session")
def study(release: Path) -> Study:
    return read_study(release)


@pytest.fixture(scope="session")
def activations(study: Study) -> pl.DataFrame:
    """Activation values of all clips, two seconds' work."""
    table, problems = activation_table(study.clips)
    assert problems == []
    return table


@pytest.fixture(scope="session")
def printed(study: Study) -> pl.DataFrame:
    """Activation values of the reactions, by the arithmetic of the authors' tools."""
    clips = [clip for clip in study.clips if clip.kind is ClipKind.REACTION]
    return activation_table(clips, measure=printed_activation)[0]


@pytest.fixture(scope="session")
def reactions(study: Study, activations: pl.DataFrame) -> RankedReactions:
    return ranked_reactions(study.images, activations)
