"""A study that is being run: its description, its database, its files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fergi.studio.clip_files import ClipFiles, Uploads, clip_files
from fergi.studio.configuration import StudyConfiguration, read_configuration
from fergi.studio.database import Database

Clock = Callable[[], datetime]


def current_time() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Studio:
    """What every request works on.

    Attributes:
        root: The study's folder.
        configuration: What the researcher wrote.
        database: Participants, consents, what is confirmed.
        files: Clips, in the raw layout.
        uploads: What is not whole yet.
        clock: Tells the time.
    """

    root: Path
    configuration: StudyConfiguration
    database: Database
    files: ClipFiles
    uploads: Uploads
    clock: Clock = current_time

    def kept_until(self, joined: datetime) -> datetime:
        """Tell when the data of a participant must be gone."""
        return joined + timedelta(days=self.configuration.retention.days)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def open_studio(
    root: Path,
    *,
    database: str | None = None,
    clips: str | None = None,
    clock: Clock = current_time,
) -> Studio:
    """Open a study.

    Args:
        root: Its folder, with a `study.toml`.
        database: Address of a database; by default a file in the folder.
        clips: An fsspec address for the files of participants; by default the folder.
        clock: Tells the time.

    Raises:
        StudyError: If the description is missing or broken.
        UsageError: If an address cannot be understood.
    """
    configuration = read_configuration(root)
    return Studio(
        root=root,
        configuration=configuration,
        database=Database(database) if database else Database.in_folder(root),
        files=clip_files(root, clips),
        uploads=Uploads(root),
        clock=clock,
    )
