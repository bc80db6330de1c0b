# ruff: noqa: S106 (tokens are no passwords)
"""P(Yes) and HPSv3 on a small random Qwen2-VL."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import transformers
from fergi.scorers.hpsv3 import CHECKPOINT, PIXELS, HpsV3, renamed
from fergi.scorers.hpsv3_prompt import INSTRUCTION, REWARD_TOKEN
from fergi.scorers.protocol import ScorerOptions
from fergi.scorers.vqa import QUESTION, VqaScore

SPECIAL = (
    "<pad>",
    "<unk>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
WORDS = ("Yes", "No", "user", "assistant", "a", "fox", "snow", "Please", "answer", "ratings", "no")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }} {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)
PROMPTS = ["a fox", "snow", "a a a a a fox"]
Paint = Callable[..., Image.Image]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2-VL as Hugging Face publishes it: 2 layers, 32 channels, 19 words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    root = tmp_path_factory.mktemp("qwen")
    package = transformers()
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = package.PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>", eos_token="<|im_end|>"
    )
    tokenizer.add_tokens(list(SPECIAL[2:]), special_tokens=True)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(root)
    config = package.Qwen2VLConfig(
        text_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "vocab_size": len(vocabulary),
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [2, 3, 3],
                "rope_theta": 10000.0,
            },
            "bos_token_id": 2,
            "eos_token_id": 3,
        },
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "num_heads": 2,
            "hidden_size": 32,
            "mlp_ratio": 2,
        },
        image_token_id=6,
        video_token_id=7,
        vision_start_token_id=4,
        vision_end_token_id=5,
    )
    torch.manual_seed(0)
    model = package.Qwen2VLForConditionalGeneration(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(root)
    size = {"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * 8}
    package.Qwen2VLImageProcessorPil(size=size).save_pretrained(root)
    return root


@pytest.fixture
def images(make_image: Paint) -> list[Image.Image]:
    return [make_image(0, 90, 80), make_image(1, 140, 70), make_image(2, 60, 120)]


def _model(folder: Path) -> Any:
    return transformers().Qwen2VLForConditionalGeneration.from_pretrained(folder).eval()


@torch.inference_mode()
def test_vqa_is_the_share_of_yes_among_all_next_tokens(
    folder: Path, images: list[Image.Image]
) -> None:
    """Against the text and the tokens put together by hand, one image at a time."""
    package = transformers()
    tokenizer = package.AutoTokenizer.from_pretrained(folder)
    see = package.AutoImageProcessor.from_pretrained(folder)
    expected = []
    for prompt, image in zip(PROMPTS, images, strict=True):
        seen = see(images=[image], return_tensors="pt")
        count = int(seen["image_grid_thw"].prod()) // 4
        text = (
            f"<|im_start|>user <|vision_start|>{'<|image_pad|>' * count}<|vision_end|>"
            f"{QUESTION.format(prompt=prompt)}<|im_end|> <|im_start|>assistant "
        )
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        logits = _model(folder)(input_ids=ids, mm_token_type_ids=(ids == 6).int(), **seen).logits
        expected.append(logits[0, -1].softmax(-1)[len(SPECIAL)].item())
    scorer = VqaScore(ScorerOptions(weights={"vqa": folder}))
    # a batch is padded, and sums in another order
    assert scorer.scores(PROMPTS, images) == pytest.approx(expected, abs=1e-5)
    assert scorer.scores(PROMPTS, images) == scorer.scores(PROMPTS, images)
    assert len(set(expected)) == 3


@pytest.mark.parametrize("kind", [VqaScore, HpsV3])
def test_without_a_folder_the_message_says_what_to_name(kind: type, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"--weights .*=FOLDER"):
        kind(ScorerOptions())
    (tmp_path / "vqa").mkdir()
    (tmp_path / "hpsv3").mkdir()
    with pytest.raises(WeightsError):
        kind(ScorerOptions(weights_folder=tmp_path))


def _changed(folder: Path, target: Path, file: str, name: str, *, is_added: bool) -> Path:
    shutil.copytree(folder, target, dirs_exist_ok=True)
    tensors = safetensors.torch.load_file(target / file)
    if is_added:
        tensors[name] = torch.ones(1)
    else:
        del tensors[name]
    safetensors.torch.save_file(tensors, target / file, {"format": "pt"})
    return target


@pytest.mark.parametrize("is_added", [True, False])
def test_vqa_refuses_a_missing_or_unknown_tensor(
    folder: Path, tmp_path: Path, is_added: bool
) -> None:
    name = "model.language_model.layers.1.mlp.extra" if is_added else "lm_head.weight"
    file = "model.safetensors"
    names = safetensors.torch.load_file(folder / file)
    name = name if is_added else next(one for one in names if one.endswith("mlp.up_proj.weight"))
    changed = _changed(folder, tmp_path / "x", file, name, is_added=is_added)
    with pytest.raises(WeightsError, match="no complete model"):
        VqaScore(ScorerOptions(weights={"vqa": changed}))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match="no image-text-to-text model"):
        VqaScore(ScorerOptions(weights={"vqa": tmp_path}))


@pytest.fixture(scope="module")
def hpsv3_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint under the names of 2024, with a word more and a head."""
    root = tmp_path_factory.mktemp("hpsv3") / "model"
    shutil.copytree(folder, root)
    tensors = {}
    for name, tensor in _model(folder).state_dict().items():
        old = name.removeprefix("model.")
        is_text = old.startswith("language_model.")
        tensors[f"model.{old.removeprefix('language_model.')}" if is_text else old] = tensor.clone()
    stream = torch.Generator().manual_seed(1)
    words = tensors["model.embed_tokens.weight"]
    more = 0.2 * torch.randn(1, 32, generator=stream)
    tensors["model.embed_tokens.weight"] = torch.cat([words, more])
    tensors["lm_head.weight"] = torch.randn(len(words) + 1, 32, generator=stream)
    for number, shape in {0: (20, 32), 3: (8, 20), 5: (2, 8)}.items():
        tensors[f"rm_head.{number}.weight"] = torch.randn(*shape, generator=stream)
        tensors[f"rm_head.{number}.bias"] = torch.randn(shape[0], generator=stream)
    safetensors.torch.save_file(tensors, root / CHECKPOINT)
    return root


@torch.inference_mode()
def _reference_hpsv3(root: Path, prompt: str, image: Image.Image) -> float:
    """With the language model of Qwen2 without images, which knows no positions but 0, 1, 2 …"""
    package = transformers()
    tensors = safetensors.torch.load_file(root / CHECKPOINT)
    config = package.AutoConfig.from_pretrained(root)
    full = package.Qwen2VLModel.from_pretrained(root).eval()
    sizes = config.text_config
    plain = package.Qwen2Model(
        package.Qwen2Config(
            hidden_size=sizes.hidden_size,
            intermediate_size=sizes.intermediate_size,
            num_hidden_layers=sizes.num_hidden_layers,
            num_attention_heads=sizes.num_attention_heads,
            num_key_value_heads=sizes.num_key_value_heads,
            vocab_size=len(tensors["model.embed_tokens.weight"]),
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            rms_norm_eps=sizes.rms_norm_eps,
            bos_token_id=2,
            eos_token_id=3,
        )
    ).eval()
    plain.load_state_dict(
        {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    )
    tokenizer = package.AutoTokenizer.from_pretrained(root)
    tokenizer.add_tokens([REWARD_TOKEN], special_tokens=True)
    see = package.AutoImageProcessor.from_pretrained(
        root, size={"shortest_edge": PIXELS, "longest_edge": PIXELS}
    )
    seen = see(images=[image], return_tensors="pt")
    count = int(seen["image_grid_thw"].prod()) // 4
    text = (
        f"<|im_start|>user <|vision_start|>{'<|image_pad|>' * count}<|vision_end|>"
        f"{INSTRUCTION.format(prompt=prompt)}<|im_end|> <|im_start|>assistant "
    )
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    embedded = plain.embed_tokens(ids)
    visual = full.visual(seen["pixel_values"], grid_thw=seen["image_grid_thw"]).pooler_output
    embedded[ids == 6] = visual
    x = plain(inputs_embeds=embedded).last_hidden_state
    x = x[0, (ids[0] == tokenizer.convert_tokens_to_ids(REWARD_TOKEN)).nonzero()[-1, 0]]
    for number in (0, 3, 5):
        x = tensors[f"rm_head.{number}.weight"] @ x + tensors[f"rm_head.{number}.bias"]
        x = x if number == 5 else x.relu()
    return x[0].item()


def test_hpsv3_reads_tokens_at_plain_positions(
    hpsv3_folder: Path, images: list[Image.Image]
) -> None:
    scorer = HpsV3(ScorerOptions(weights={"hpsv3": hpsv3_folder}))
    expected = [_reference_hpsv3(hpsv3_folder, *one) for one in zip(PROMPTS, images, strict=True)]
    # float32 sums in another order, through a head whose weights are about 1
    assert scorer.scores(PROMPTS, images) == pytest.approx(expected, abs=2e-4)
    assert scorer.scores(PROMPTS, images) == scorer.scores(PROMPTS, images)


def test_hpsv3_would_differ_with_positions_in_a_grid(
    hpsv3_folder: Path, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = HpsV3(ScorerOptions(weights={"hpsv3": hpsv3_folder}))
    plain = scorer.scores(PROMPTS[:1], images[:1])
    forward = scorer._model.forward

    def native(**inputs: Any) -> Any:
        inputs.pop("position_ids")
        kinds = (inputs["input_ids"] == 6).int()
        return forward(**inputs, mm_token_type_ids=kinds)

    monkeypatch.setattr(scorer, "_model", _Callable(scorer._model, native))
    grid = scorer.scores(PROMPTS[:1], images[:1])
    assert abs(plain[0] - grid[0]) > 1e-2  # type: ignore[operator]


class _Callable:
    """A model whose call is replaced."""

    def __init__(self, model: Any, call: Callable[..., Any]) -> None:
        self.device, self.dtype = model.device, model.dtype
        self._call = call

    def __call__(self, **inputs: Any) -> Any:
        return self._call(**inputs)


def test_hpsv3_takes_no_needle(hpsv3_folder: Path, images: list[Image.Image]) -> None:
    scorer = HpsV3(ScorerOptions(weights={"hpsv3": hpsv3_folder}))
    needle = Image.new("RGB", (1, 300))
    found = scorer.scores(["a", "a"], [needle, images[0]])
    assert found[0] is None
    assert found[1] is not None


@pytest.mark.parametrize("prompt", ["", "<|image_pad|> <|Reward|>", "{prompt} {}", "日本"])
def test_hpsv3_takes_any_prompt(hpsv3_folder: Path, images: list[Image.Image], prompt: str) -> None:
    scorer = HpsV3(ScorerOptions(weights={"hpsv3": hpsv3_folder}))
    (found,) = scorer.scores([prompt], images[:1])
    assert found is not None


@pytest.mark.parametrize(
    ("name", "is_added"),
    [("rm_head.3.weight", False), ("rm_head.9.weight", True), ("model.norm.weight", False)],
)
def test_hpsv3_refuses_a_missing_or_unknown_tensor(
    hpsv3_folder: Path, tmp_path: Path, name: str, is_added: bool
) -> None:
    changed = _changed(hpsv3_folder, tmp_path / "x", CHECKPOINT, name, is_added=is_added)
    with pytest.raises(WeightsError, match=r"lacks|unknown|no HPSv3"):
        HpsV3(ScorerOptions(weights={"hpsv3": changed}))


def test_names_of_2024_become_those_of_today() -> None:
    one = torch.ones(1)
    old = {"visual.merger.ln_q.weight": one, "model.norm.weight": one, "lm_head.weight": one}
    assert list(renamed(old)) == ["visual.merger.ln_q.weight", "language_model.norm.weight"]
