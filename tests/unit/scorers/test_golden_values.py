"""Against numbers that the authors published; needs their weights, and four of their images.

`FERGI_WEIGHTS_DIR` names a folder with `imagereward/` (ImageReward.pt, vocab.txt) and
`imagereward/images/` (1.webp … 4.webp, from assets/images of the ImageReward repository).
"""

import os
from pathlib import Path

import pytest

from fergi.scorers.blip_scores import ImageReward
from fergi.scorers.pictures import read_picture
from fergi.scorers.protocol import ScorerOptions

PROMPT = "a painting of an ocean with clouds and birds, day time, low depth field effect"
PUBLISHED = [0.5811622738838196, 0.2745276093482971, -1.4131819009780884, -2.029569625854492]
"""README of ImageReward."""


def test_imagereward_gives_the_published_rewards() -> None:
    folder = Path(os.environ.get("FERGI_WEIGHTS_DIR", ""), "imagereward")
    images = [folder / "images" / f"{number}.webp" for number in (1, 2, 3, 4)]
    needed = [folder / "ImageReward.pt", folder / "vocab.txt", *images]
    if "FERGI_WEIGHTS_DIR" not in os.environ or not all(path.is_file() for path in needed):
        pytest.skip("FERGI_WEIGHTS_DIR names no folder with imagereward/ and its four images")
    scorer = ImageReward(ScorerOptions(weights_folder=folder.parent))
    pictures = [read_picture(path)[0] for path in images]
    # The authors' run was on a GPU, with an older torch and Pillow.
    assert scorer.scores([PROMPT] * 4, pictures) == pytest.approx(PUBLISHED, abs=1e-2)
