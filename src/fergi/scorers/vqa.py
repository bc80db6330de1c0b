"""The probability that a model which sees an image says that it shows the prompt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import device, dtype, reported_faults, transformers
from fergi.scorers.protocol import Preparation, ScorerOptions, Traits
from fergi.scorers.provided import named_path

QUESTION = 'Does this figure show "{prompt}"? Please answer yes or no.'
"""The question of VQAScore (t2v_metrics)."""

ANSWER = "Yes"


class VqaScore:
    """P(Yes) of any image-text-to-text model of Hugging Face, by one forward pass a batch."""

    traits: ClassVar = Traits(
        Preparation.WHOLE, formula=f'probability of "{ANSWER}" after: {QUESTION}'
    )

    def __init__(self, options: ScorerOptions) -> None:
        folder = self.require_files(options)
        self._processor = image_text_processor(folder)
        self._model = strictly_loaded_model(folder, options)
        self._answer = _first_token(self._processor.tokenizer, ANSWER)

    @staticmethod
    def require_files(options: ScorerOptions) -> Path:
        """Find the folder of the model.

        Raises:
            WeightsError: If none is named.
        """
        named = named_path("vqa", options)
        if named is None or not named.is_dir():
            raise WeightsError(
                "vqa works with any image-text-to-text model of Hugging Face, and needs to be "
                "told which: --weights vqa=FOLDER, a folder with its config.json, safetensors, "
                "tokenizer and processor (in the cache of the Hugging Face libraries, the one "
                "in snapshots/)"
            )
        return named

    @torch.inference_mode()
    def scores(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """Score a batch by the weight of "Yes" among all tokens that could come next."""
        inputs = self._processor.apply_chat_template(
            [_question(prompt, image) for prompt, image in zip(prompts, images, strict=True)],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        )
        inputs = inputs.to(self._model.device, self._model.dtype)
        logits: Tensor = self._model(**inputs, logits_to_keep=1).logits[:, -1]
        return logits.float().softmax(dim=-1)[:, self._answer].tolist()


def _question(prompt: str, image: Image.Image) -> list[dict[str, Any]]:
    content = [
        {"type": "image", "image": image},
        {"type": "text", "text": QUESTION.format(prompt=prompt)},
    ]
    return [{"role": "user", "content": content}]


def strictly_loaded_model(folder: Path, options: ScorerOptions) -> Any:
    """Load a model as Hugging Face publishes it, if its folder holds all of it and no more.

    Raises:
        WeightsError: If the folder cannot be read, or a tensor is missing, unexpected or of
            another shape.
    """
    try:
        model, report = transformers().AutoModelForImageTextToText.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=dtype(options),
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise _unreadable(folder, error) from error
    faults = reported_faults(report)
    if faults:
        raise WeightsError(f"{folder}: is no complete model ({faults}); fetch it again")
    return model.eval().requires_grad_(False).to(device(options))


def image_text_processor(folder: Path) -> Any:
    """Load what turns images and text into a model's inputs, without torchvision.

    Models that can also see videos bring a processor for these, which alone needs
    torchvision; it is left out.

    Raises:
        WeightsError: If the folder cannot be read.
    """
    package = transformers()
    try:
        return package.AutoProcessor.from_pretrained(folder, local_files_only=True)
    except ImportError:
        return _without_videos(folder, package)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, error) from error


def _without_videos(folder: Path, package: Any) -> Any:
    try:
        config = package.AutoConfig.from_pretrained(folder, local_files_only=True)
        kind = package.models.auto.processing_auto.PROCESSOR_MAPPING[type(config)]
        images = package.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        tokenizer = package.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, TypeError) as error:
        raise _unreadable(folder, error) from error

    class ImagesAlone(kind):  # type: ignore[misc, valid-type]
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument is None and "video" in argument_name:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    ImagesAlone.__name__ = kind.__name__
    return ImagesAlone(images, tokenizer, None, chat_template=tokenizer.chat_template)


def _first_token(tokenizer: Any, text: str) -> int:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids[0]


def _unreadable(folder: Path, error: Exception) -> WeightsError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return WeightsError(f"{folder}: is no image-text-to-text model ({reason}); give another folder")
