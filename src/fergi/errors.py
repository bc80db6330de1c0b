"""What can go wrong, as a tree.

Every message says what was found, what was needed, and what to do.

```
FergiError                      exit status 1
├── UsageError                  exit status 2: the request itself makes no sense
├── StudyError                  a folder that cannot be read as a study
├── DatasetError                a folder that cannot be read as a set of labelled faces
├── ClipError                   one clip; the rest of the study goes on
│   ├── FeatureFileError        its file of action units cannot be read
│   ├── VideoError              its video cannot be decoded to the end
│   └── UnusableClipError       its face was not seen well enough
├── AnnotationFileError         a table that is not one of annotations
├── ScoresError                 text-to-image scores that cannot be used
├── WeightsError                a model file that is missing, altered or of another model
├── DownloadError               a file that cannot be brought, or is not the pinned one
├── TrainingError               too little data to learn from
├── ExecutionError              workers that cannot be started or reached
├── MissingExtraError           an optional dependency is not installed
└── OutputError                 a result that cannot be written
```
"""


class FergiError(Exception):
    """Anything that fergi refuses to do, with a message for the person who asked."""

    exit_status = 1


class UsageError(FergiError):
    """The request itself makes no sense."""

    exit_status = 2


class StudyError(FergiError):
    """A folder cannot be read as a study."""


class DatasetError(FergiError):
    """A folder cannot be read as a set of labelled faces."""


class ClipError(FergiError):
    """One clip cannot be used; the rest of the study can."""


class FeatureFileError(ClipError):
    """A file of action units cannot be read."""


class VideoError(ClipError):
    """A video cannot be decoded to the end."""


class UnusableClipError(ClipError):
    """The face was not seen well enough in a clip."""


class AnnotationFileError(FergiError):
    """A table is not one of annotations, or lacks what is asked of it."""


class ScoresError(FergiError):
    """Text-to-image scores cannot be used."""


class WeightsError(FergiError):
    """A model file is missing, altered, or of another model."""


class DownloadError(FergiError):
    """A file cannot be brought, or is not the one that is pinned."""


class TrainingError(FergiError):
    """A study holds too little to learn from."""


class ExecutionError(FergiError):
    """Workers cannot be started or reached."""


class MissingExtraError(FergiError):
    """An optional dependency is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs packages that are not installed; "
            f"run: python -m pip install 'fergi[{extra}]'"
        )


class OutputError(FergiError):
    """A result cannot be written."""


def brief(error: Exception) -> str:
    """Say in one line what went wrong: the system's words, or the first of the exception's."""
    said = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return str(said).splitlines()[0]
