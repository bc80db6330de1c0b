"""Against what is known of real weights, each where `FERGI_WEIGHTS_DIR` names a folder with them.

For ImageReward, that is `imagereward/` (ImageReward.pt, vocab.txt) and `imagereward/images/`
(1.webp … 4.webp, from assets/images of the ImageReward repository); for LAION's aesthetic
predictor the file of its head, there or in `laion_aesthetic/`.
"""

import os
from pathlib import Path

import pytest
import torch

from fergi.scorers.blip_scores import ImageReward
from fergi.scorers.checkpoints import read_tensors
from fergi.scorers.linear_head import linear_head
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


def test_the_aesthetic_head_collapses_to_one_affine_map() -> None:
    root = Path(os.environ.get("FERGI_WEIGHTS_DIR", ""))
    name = "sac+logos+ava1-l14-linearMSE.pth"
    places = [place for place in (root / name, root / "laion_aesthetic" / name) if place.is_file()]
    if "FERGI_WEIGHTS_DIR" not in os.environ or not places:
        pytest.skip(f"FERGI_WEIGHTS_DIR names no folder with {name}")
    head = linear_head(read_tensors(places[0]), places[0], ScorerOptions())
    bias = head(torch.zeros(768))
    slopes = head(torch.eye(768)) - bias
    assert bias.item() == pytest.approx(5.2366, abs=5e-5)  # to the digits that are known
    features = torch.nn.functional.normalize(
        torch.randn(100, 768, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    # five layers of float32 against one
    torch.testing.assert_close(head(features), features @ slopes + bias, atol=1e-4, rtol=0)
    assert ((head(features) > 1) & (head(features) < 10)).all()
