"""Clips at an fsspec address, and a database that several machines share."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from starlette.testclient import TestClient

from fergi.datasets.fergi_study import read_study
from fergi.errors import UsageError
from fergi.studio.application import application
from fergi.studio.clip_files import clip_files
from fergi.studio.deletion import purge
from fergi.studio.joining import make_links, researcher_token
from fergi.studio.studio import Studio, open_studio


@pytest.fixture
def visit(make_visitor: Callable[..., Any]) -> Callable[[TestClient, Studio], Any]:
    """Brings somebody into another studio than the shared one, agreed to video."""
    of_class = type(make_visitor(None))

    def visit(client: TestClient, studio: Studio) -> Any:
        visitor = of_class(client, make_links(studio, 1)[0].token)
        visitor.join()
        visitor.consent("video")
        return visitor

    return visit


@pytest.fixture
def distant(study: Path) -> Iterator[tuple[TestClient, Studio, Any]]:
    """A studio whose clips lie in fsspec's own memory."""
    address = f"memory://{study}"
    studio = open_studio(study, clips=address)
    with TestClient(application(studio), base_url="http://127.0.0.1") as client:
        yield client, studio, fsspec.filesystem("memory")
    fsspec.filesystem("memory").store.clear()


def test_clips_may_lie_elsewhere_in_the_same_layout(
    distant: tuple[TestClient, Studio, Any],
    visit: Callable[..., Any],
    film: Any,
    study: Path,
    tmp_path: Path,
) -> None:
    client, _, files = distant
    visitor = visit(client, distant[1])
    assert visitor.film("1/1/reaction", film()).is_success
    visitor.do_session(2)
    assert not (study / visitor.name).exists()
    assert list((study / ".studio" / "uploads").iterdir()) == []
    files.get(f"{study}/{visitor.name}", str(tmp_path / "copy" / visitor.name), recursive=True)
    found = read_study(tmp_path / "copy")
    assert found.images.filter(session=2)["rank"].to_list() == [3, 2, 1]
    assert {clip.video_name for clip in found.clips} >= {"reaction_clip_1.webm"}


def test_the_researcher_sees_clips_that_lie_elsewhere(
    distant: tuple[TestClient, Studio, Any], visit: Callable[..., Any], film: Any
) -> None:
    client, studio, _ = distant
    visitor, video = visit(client, studio), film()
    visitor.film("1/1/reaction", video)
    client.post("/api/admin/session", json={"token": researcher_token(studio)})
    home = f"/api/admin/participants/{visitor.name}/clips/1/1/reaction"
    assert client.get(home).json()["activation"]["AU12"] == 0
    assert client.get(f"{home}/video").content == video
    answer = client.get("/api/admin/annotations")
    assert answer.json()["type"] == "urn:fergi:studio:elsewhere"


def test_deleted_means_deleted_elsewhere_too(
    distant: tuple[TestClient, Studio, Any], visit: Callable[..., Any], film: Any
) -> None:
    client, studio, files = distant
    visitor = visit(client, studio)
    visitor.film("1/1/reaction", film())
    visitor.consent("features")
    assert not [path for path in files.store if path.endswith(".webm")]
    visitor.ask("DELETE")
    assert not [path for path in files.store if visitor.name in path]


def test_an_address_that_nothing_understands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--clips"):
        clip_files(tmp_path, "nonsense://x")


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of a database of our own, on a socket that nobody else sees."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed here (initdb is not found)")
    pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed here")
    user: dict[str, Any] = {}
    # Not pytest's own folder, which another account cannot enter.
    with tempfile.TemporaryDirectory(prefix="fergi-pg-") as folder:
        if os.geteuid() == 0:  # which the server refuses
            owner = _postgres_account()
            user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            os.chown(folder, owner.pw_uid, owner.pw_gid)

        def call(program: str, *arguments: str) -> None:
            command = [str(programs / program), *arguments]
            subprocess.run(command, check=True, capture_output=True, cwd="/", **user)

        data = f"{folder}/data"
        call("initdb", "-D", data, "-U", "fergi", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql+psycopg://fergi@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _postgres_programs() -> Path | None:
    """Find where PostgreSQL's programs lie."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    programs = [Path(found)] if found else folders
    return programs[-1].resolve().parent if programs else None


def _postgres_account() -> Any:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL refuses to run as root, and there is no account postgres")


def test_two_machines_may_share_one_study(
    postgres: str, study: Path, visit: Callable[..., Any], film: Any, tmp_path: Path
) -> None:
    shutil.copytree(study, tmp_path / "other", ignore=shutil.ignore_patterns(".studio"))
    clips = f"memory://{tmp_path}/shared"
    first = open_studio(study, database=postgres, clips=clips)
    second = open_studio(tmp_path / "other", database=postgres, clips=clips)
    with (
        TestClient(application(first), base_url="http://127.0.0.1") as here,
        TestClient(application(second), base_url="http://127.0.0.1") as there,
    ):
        visitor = visit(here, first)
        visitor.film("1/1/reaction", film())
        visitor.client = there
        assert visitor.progress()["sessions"][0]["clips"][0]["state"] == "confirmed"
        visitor.do_session(2)
        assert visitor.progress()["sessions"][1]["complete"]
        assert purge(first).participants == 0
        assert visitor.ask("DELETE").status_code == 204
        visitor.client = here
        assert visitor.ask("GET").status_code == 401
    assert not [path for path in fsspec.filesystem("memory").store if visitor.name in path]
    fsspec.filesystem("memory").store.clear()


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_clips_may_lie_in_a_bucket(
    study: Path, visit: Callable[..., Any], film: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto = pytest.importorskip("moto.server", reason="run: pip install 'moto[s3]' flask flask-cors")
    s3fs = pytest.importorskip("s3fs", reason="run: pip install s3fs")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "invented")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    bucket = s3fs.S3FileSystem(endpoint_url=address)
    bucket.mkdir("studies")
    studio = open_studio(study, clips="s3://studies/one")
    with TestClient(application(studio), base_url="http://127.0.0.1") as client:
        visitor = visit(client, studio)
        assert visitor.film("1/1/reaction", film()).is_success
        assert any(name.endswith("reaction_clip_1.webm") for name in bucket.find("studies/one"))
        assert visitor.ask("DELETE", "").status_code == 204
        bucket.invalidate_cache()
        assert bucket.find("studies/one") == []
    server.stop()
