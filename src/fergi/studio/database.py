"""The database of a studio: SQLite in the study's folder, or one that several machines share."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session, sessionmaker

from fergi.errors import StudyError, UsageError

STUDIO_FOLDER = ".studio"
"""In the study's folder; hidden, so that no reader takes it for a participant's."""

_BUSY_SECONDS = 30
_CHECKPOINT_TRIES = 5


class Database:
    """A database whose tables are up to date.

    Reading and writing are transactions. One that writes holds SQLite's only lock for
    writing from its start, so it never finds out at its end that it came too late.
    """

    def __init__(self, address: str) -> None:
        """Open a database, and bring its tables up to date.

        Raises:
            UsageError: If the address is none of a database that is known here.
            StudyError: If it cannot be opened.
        """
        self.address = address
        try:
            self.engine = _engine(address)
            _migrate(self.engine)
        except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
            raise UsageError(
                f"--database {address}: {error}; give postgresql+psycopg://…, "
                "and install its driver: python -m pip install 'psycopg[binary]'"
            ) from error
        except sa.exc.DatabaseError as error:
            raise StudyError(f"the database cannot be opened ({error.orig}); check it") from error
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._writing = threading.Lock()

    @classmethod
    def in_folder(cls, root: Path) -> "Database":
        """Open the database that lies in a study's folder."""
        folder = root / STUDIO_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        return cls(f"sqlite:///{folder.resolve() / 'studio.sqlite'}")

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads."""
        with self._sessions() as session:
            yield session

    @contextlib.contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Session]:
        """Open a transaction that counts only if its block ends well.

        Args:
            durable: Whether it outlives a loss of power too; a killed process it always does.
        """
        guard = self._writing if self.is_sqlite else contextlib.nullcontext()
        with guard, self._sessions() as session:
            session.connection(execution_options={"writes": True, "durable": durable})
            yield session
            session.commit()

    def scrub(self) -> None:
        """Remove what was deleted from the database's own files as well.

        SQLite overwrites what it deletes, but its log still holds the pages of before until
        it is emptied; PostgreSQL keeps deleted rows until they are vacuumed.
        """
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("VACUUM"))
                return
            for _ in range(_CHECKPOINT_TRIES):
                is_busy = connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)")).scalar()
                if not is_busy:
                    return

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(address: str) -> sa.Engine:
    url = sa.make_url(address)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(url, pool_size=20, pool_pre_ping=True)
    if url.get_backend_name() != "sqlite":
        raise sa.exc.ArgumentError(f"{url.get_backend_name()} is not supported")
    engine = sa.create_engine(
        url, pool_size=40, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not the driver
    for pragma in (
        "journal_mode = WAL",
        "foreign_keys = ON",
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    level = "FULL" if options.get("durable", True) else "NORMAL"
    connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes", False) else "BEGIN")


def _migrate(engine: sa.Engine) -> None:
    """Run the migrations that this database has not seen."""
    config = Config()
    config.set_main_option("script_location", "fergi.studio:migrations")
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        connection.execution_options(writes=True)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
