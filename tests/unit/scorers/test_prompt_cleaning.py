import pytest

from fergi.scorers.prompt_cleaning import as_open_clip_reads


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("\u2018a\u2019 \u201cb\u201d", "'a' \"b\""),
        ("Tom &amp; Jerry &amp;lt;3", "Tom & Jerry <3"),
        ("  two \n\t spaces\u00a0 ", "two spaces"),
        ("\uff26\uff4f\uff58 o\ufb03ce", "Fox office"),
        ("cafe\u0301", "café"),
        ("日本語 кот 🦊 — dash", "日本語 кот 🦊 — dash"),
        ("\x00\ufeffx", "x"),
        ("", ""),
    ],
)
def test_prompts_are_cleaned_as_ftfy_and_open_clip_do(prompt: str, read: str) -> None:
    """The right sides were recorded from ftfy 6.3 and open_clip's whitespace rule."""
    assert as_open_clip_reads(prompt) == read
