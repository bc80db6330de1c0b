"""What makes pictures for prompts: an HTTP endpoint, or a `diffusers` pipeline of this machine."""

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from fergi.errors import FergiError, MissingExtraError, StudyError
from fergi.studio.configuration import MEGABYTE, GeneratorSection

_LARGEST_ANSWER = 64 * MEGABYTE


@runtime_checkable
class Generator(Protocol):
    """Makes a picture for a prompt."""

    def picture(self, prompt: str, seed: int) -> bytes:
        """Make a picture.

        Args:
            prompt: The text.
            seed: The same seed and prompt should give the same picture.

        Returns:
            A PNG, JPEG or WebP file.

        Raises:
            FergiError: If it cannot.
        """


def generator(section: GeneratorSection, root: Path) -> Generator:
    """Open the generator that a study describes."""
    if section.kind == "endpoint":
        return EndpointGenerator(section)
    return DiffusersGenerator(section, root)


class EndpointGenerator:
    """Asks an HTTP endpoint; it is sent the prompt and a seed, and nothing else."""

    def __init__(self, section: GeneratorSection) -> None:
        self._section = section

    def picture(self, prompt: str, seed: int) -> bytes:
        """Send the prompt, and read the picture from the answer."""
        section = self._section
        body = _filled(section.body or {"prompt": "{prompt}", "seed": "{seed}"}, prompt, seed)
        request = urllib.request.Request(  # noqa: S310 (http or https, as the configuration checks)
            str(section.address),
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **section.headers},
            method="POST",
        )
        try:
            with _OPENER.open(request, timeout=section.timeout_seconds) as answer:
                content = answer.read(_LARGEST_ANSWER + 1)
        except (urllib.error.URLError, OSError) as error:
            raise FergiError(f"the generator does not answer ({error})") from error
        return _picture_in(content)


class DiffusersGenerator:
    """Runs a `diffusers` pipeline from a folder of this machine, one picture at a time."""

    def __init__(self, section: GeneratorSection, root: Path) -> None:
        self._section = section
        self._folder = root / str(section.model)
        self._pipeline: Any = None
        self._lock = threading.Lock()

    def picture(self, prompt: str, seed: int) -> bytes:
        """Run the pipeline."""
        with self._lock:
            pipeline, torch = self._loaded()
            source = torch.Generator().manual_seed(seed)
            made = pipeline(prompt, generator=source, **self._section.options)
            file = BytesIO()
            made.images[0].save(file, "PNG")
            return file.getvalue()

    def _loaded(self) -> tuple[Any, Any]:
        try:
            import diffusers  # type: ignore[import-not-found] # noqa: PLC0415 (heavy, optional)
            import torch  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise MissingExtraError("the generator 'diffusers'", "generator") from error
        if self._pipeline is None:
            if not self._folder.is_dir():
                raise StudyError(f"{self._folder} is no folder of a diffusers pipeline")
            device = "cuda" if torch.cuda.is_available() else "cpu"
            pipeline = diffusers.DiffusionPipeline.from_pretrained(
                str(self._folder), local_files_only=True, use_safetensors=True
            )
            self._pipeline = pipeline.to(device)
        return self._pipeline, torch


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Prompts go to the address that the researcher named, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def _filled(value: Any, prompt: str, seed: int) -> Any:
    """Put prompt and seed where the researcher's template has them."""
    match value:
        case Mapping():
            return {name: _filled(part, prompt, seed) for name, part in value.items()}
        case list():
            return [_filled(part, prompt, seed) for part in value]
        case "{seed}":
            return seed
        case str():
            return value.replace("{prompt}", prompt)
        case _:
            return value


def _picture_in(content: bytes) -> bytes:
    if len(content) > _LARGEST_ANSWER:
        raise FergiError(f"the generator's answer is larger than {_LARGEST_ANSWER} bytes")
    if not content.lstrip().startswith((b"{", b"[")):
        return content
    try:
        encoded = _first_long_text(json.loads(content))
        picture = base64.b64decode(encoded.rpartition("base64,")[2], validate=True)
    except ValueError as error:
        raise FergiError(f"the generator's answer holds no picture ({error})") from error
    if not picture:
        raise FergiError("the generator's answer holds no picture")
    return picture


def _first_long_text(value: Any) -> str:
    """Find the base64 in an answer, whatever its fields are called."""
    if isinstance(value, str) and len(value) > 100:
        return value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        found = _first_long_text(part)
        if found:
            return found
    return ""
