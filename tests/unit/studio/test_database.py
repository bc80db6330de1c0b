import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from fergi.errors import StudyError, UsageError
from fergi.studio.database import Database
from fergi.studio.tables import StudioFact, Table


@pytest.fixture
def database(tmp_path: Path):
    found = Database.in_folder(tmp_path)
    yield found
    found.close()


def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Table.metadata) == []


def test_opening_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    with database.writing() as session:
        session.add(StudioFact(name="a", value="1"))
    again = Database.in_folder(tmp_path)
    with again.reading() as session:
        assert session.get_one(StudioFact, "a").value == "1"
    again.close()


def test_it_writes_ahead_and_overwrites_what_it_deletes(database: Database) -> None:
    with database.engine.connect() as connection:

        def pragma(name: str) -> object:
            return connection.execute(sa.text(f"PRAGMA {name}")).scalar()

        assert pragma("journal_mode") == "wal"
        assert pragma("secure_delete") == 1
        assert pragma("foreign_keys") == 1
        assert pragma("synchronous") == 2


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail_in_the_middle() -> None:
        with database.writing() as session:
            session.add(StudioFact(name="a", value="1"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    with database.reading() as session:
        assert session.get(StudioFact, "a") is None


def test_what_was_deleted_is_in_no_file_of_the_database(database: Database, tmp_path: Path) -> None:
    with database.writing() as session:
        session.add_all(StudioFact(name=f"n{n}", value=f"secret-{n}" * 99) for n in range(200))
    with database.writing() as session:
        session.execute(sa.delete(StudioFact))

    def content() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.rglob("*.sqlite*"))

    assert b"secret-7" in content()  # the log still has it
    database.scrub()
    assert b"secret-7" not in content()


def test_writers_take_turns(database: Database) -> None:
    with database.writing() as session:
        session.add(StudioFact(name="count", value="0"))

    def add() -> None:
        for _ in range(20):
            with database.writing() as session:
                fact = session.get_one(StudioFact, "count")
                fact.value = str(int(fact.value) + 1)

    threads = [threading.Thread(target=add) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.get_one(StudioFact, "count").value == "100"


def test_two_processes_may_write_too(database: Database, tmp_path: Path) -> None:
    other = Database.in_folder(tmp_path)
    with database.writing() as session:
        session.add(StudioFact(name="a", value="1"))
    with other.writing() as session:
        session.get_one(StudioFact, "a").value = "2"
    with database.reading() as session:
        assert session.get_one(StudioFact, "a").value == "2"
    other.close()


@pytest.mark.parametrize("address", ["nonsense", "mysql://x", "postgresql+nodriver://x/y"])
def test_a_database_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="--database"):
        Database(address)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ".studio"
    folder.mkdir()
    (folder / "studio.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(StudyError, match="database"):
        Database.in_folder(tmp_path)
