"""What open_clip makes of a prompt before it cuts it into tokens."""

import html
import re
import unicodedata

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        "\ufb00": "ff",
        "\ufb01": "fi",
        "\ufb02": "fl",
        "\ufb03": "ffi",
        "\ufb04": "ffl",
        "\ufb05": "st",
        "\ufb06": "st",
    }
)
_FULL_OR_HALF_WIDTH = re.compile("[\uff01-\uffef\u3000]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]")


def as_open_clip_reads(prompt: str) -> str:
    r"""Give a prompt with plain quotes, without markup of HTML, and with single spaces.

    HPSv2 was trained on prompts that open_clip had cleaned by the package ftfy; other
    members of the CLIP family read curly quotes as they are. What ftfy does beyond this is
    left out: it guesses at text that was decoded wrongly.

    Example:
        >>> as_open_clip_reads("\u201cTom &amp; Jerry\u2019s\u201d \n  house")
        '"Tom & Jerry\'s" house'
    """
    plain = _CONTROL.sub("", html.unescape(prompt).translate(_PLAIN))
    narrow = _FULL_OR_HALF_WIDTH.sub(lambda one: unicodedata.normalize("NFKC", one[0]), plain)
    text = html.unescape(unicodedata.normalize("NFC", narrow))
    return " ".join(text.split())
