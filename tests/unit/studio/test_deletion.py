import hashlib
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fergi.datasets.fergi_study import read_study
from fergi.studio import deletion
from fergi.studio.clips import put_video
from fergi.studio.deletion import purge, recover
from fergi.studio.places import clip_place
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio, open_studio
from fergi.studio.uploading import ReceivedVideo


def _everything(study: Path) -> bytes:
    return b"\n".join(
        str(path).encode() + path.read_bytes() for path in study.rglob("*") if path.is_file()
    )


@pytest.fixture
def traces(filmed_visitor: Any, film: Any, researcher: Any) -> list[bytes]:
    """Somebody who has left traces: what could be found of them."""
    video = film()
    filmed_visitor.film("1/1/reaction", video)
    filmed_visitor.do_session(2)
    researcher.get("/annotations")
    return [filmed_visitor.name.encode(), video, b"overallRating"]


def test_withdrawing_deletes_files_rows_and_links_at_once(
    filmed_visitor: Any, traces: list[bytes], study: Path, researcher: Any
) -> None:
    assert all(trace in _everything(study) for trace in traces)
    answer = filmed_visitor.ask("DELETE")
    assert answer.status_code == 204
    left = _everything(study)
    assert [trace for trace in traces if trace in left] == []
    assert filmed_visitor.ask("GET").status_code == 401
    assert filmed_visitor.join().status_code == 401
    assert researcher.get("/participants") == {"participants": []}
    assert researcher.get("/links") == {"links": []}
    assert researcher.get("/study")["counts"]["withdrawn"] == 1


def test_a_researcher_can_delete_a_participant(
    filmed_visitor: Any, traces: list[bytes], study: Path, researcher: Any
) -> None:
    path = f"/participants/{filmed_visitor.name}"
    assert researcher.ask("DELETE", path).status_code == 204
    assert [trace for trace in traces if trace in _everything(study)] == []
    assert researcher.ask("DELETE", path).status_code == 404


def test_who_stays_keeps_everything_when_another_leaves(
    make_visitor: Callable[..., Any], study: Path
) -> None:
    first, second = make_visitor(), make_visitor()
    for one in (first, second):
        one.do_session(1)
    before = {
        path: path.read_bytes() for path in (study / second.name).rglob("*") if path.is_file()
    }
    progress = second.progress()
    first.ask("DELETE")
    assert all(path.read_bytes() == content for path, content in before.items())
    assert second.progress() == progress


def test_a_deletion_that_was_interrupted_is_finished_at_the_next_start(
    filmed_visitor: Any,
    traces: list[bytes],
    studio: Studio,
    study: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deletion, "_finish_deletion", interrupted)
        with pytest.raises(KeyboardInterrupt):
            deletion.delete_participant(studio, filmed_visitor.name, "withdrawn")
    # From that moment nobody sees anything of it.
    assert filmed_visitor.ask("GET").status_code == 401
    recover(studio)
    assert [trace for trace in traces if trace in _everything(study)] == []


def test_what_was_named_and_never_confirmed_is_removed_at_the_next_start(
    filmed_visitor: Any, film: Any, record: Any, studio: Studio, study: Path
) -> None:
    filmed_visitor.film("1/1/reaction", film())
    filmed_visitor.send("1/2/reaction", record(video=film(seed=2)))
    folder = study / filmed_visitor.name / "session_1"
    # As if the machine had stopped between the renaming of the files and the database's commit.
    (folder / "reaction_clip_2.webm").write_bytes(film(seed=2))
    (folder / "reaction_clip_2_features.csv").write_bytes(b"half")
    (study / ".studio" / "uploads" / "x.part").write_bytes(b"half")
    assert recover(studio) == 2
    names = {path.name for path in folder.iterdir()}
    assert not [name for name in names if name.startswith("reaction_clip_2")]
    assert "reaction_clip_1.webm" in names
    assert list((study / ".studio" / "uploads").iterdir()) == []


def test_a_picture_and_a_record_without_a_clip_are_removed_at_the_next_start(
    visitor: Any, record: Any, studio: Studio, study: Path
) -> None:
    visitor.do_session(1)
    left = study / visitor.name / "session_2"
    left.mkdir()
    for name in ("image1.png", "data.json"):
        (left / name).write_bytes(b"{}")
    record_file = study / visitor.name / "session_1" / "data.json"
    before = record_file.read_bytes()
    record_file.write_bytes(b'{"prompt": "of a transaction that never was"}')
    assert recover(studio) == 2
    assert not left.exists()
    assert record_file.read_bytes() == before
    assert read_study(study).problems == ()


def test_files_of_the_researcher_s_own_are_never_removed(
    filmed_visitor: Any, film: Any, studio: Studio, study: Path
) -> None:
    filmed_visitor.film("1/1/reaction", film(), series=False)
    folder = study / filmed_visitor.name / "session_1"
    own = [folder / "reaction_clip_1_features.csv", folder / "notes.txt", study / "scores.csv"]
    for path in own:
        path.write_bytes(b"mine")
    assert recover(studio) == 0
    assert all(path.exists() for path in own)


def test_purging_deletes_who_is_past_the_date_and_nobody_else(
    make_visitor: Callable[..., Any], studio: Studio, study: Path, clock: Any
) -> None:
    early = make_visitor()
    early.do_session(1)
    clock.pass_by(days=200)
    late = make_visitor()
    late.do_session(1)
    assert purge(studio).participants == 0
    clock.pass_by(days=166)
    done = purge(studio)
    assert (done.participants, done.videos_of) == (1, 0)
    assert not (study / early.name).exists()
    assert (study / late.name / "session_1" / "data.json").exists()
    assert early.name.encode() not in _everything(study)


def test_videos_may_have_an_earlier_date_than_the_rest(
    study: Path, filmed_visitor: Any, film: Any, clock: Any
) -> None:
    filmed_visitor.film("1/1/reaction", film())
    settings = study / "study.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("# video_days = 90", "video_days = 90"), encoding="utf-8")
    clock.pass_by(days=91)
    with_dates = open_studio(study, clock=clock)
    assert purge(with_dates).videos_of == 1
    assert purge(with_dates).videos_of == 0
    with_dates.close()
    left = {path.name for path in (study / filmed_visitor.name).rglob("*")}
    assert not [name for name in left if name.endswith(".webm")]
    assert "reaction_clip_1_features.csv" in left


def test_old_links_that_nobody_used_are_forgotten(
    studio: Studio, make_visitor: Callable[..., Any], researcher: Any, clock: Any
) -> None:
    researcher.ask("POST", "/links", json={"count": 3})
    visitor = make_visitor()
    clock.pass_by(days=91)
    assert purge(studio).links == 3
    assert visitor.join().is_success


def test_a_video_that_arrives_after_a_withdrawal_is_thrown_away(
    filmed_visitor: Any, film: Any, record: Any, studio: Studio, study: Path
) -> None:
    video = film()
    filmed_visitor.send("1/1/reaction", record(video=video))
    # It was let in before, and came in slowly.
    arrived = ReceivedVideo(
        studio.uploads.written(video), hashlib.sha256(video).hexdigest(), len(video)
    )
    filmed_visitor.ask("DELETE")
    place = clip_place(filmed_visitor.name, 1, 1, "reaction")
    with pytest.raises(RequestRefusedError, match="deleted"):
        put_video(studio, place, arrived)
    assert not (study / filmed_visitor.name).exists()


@pytest.mark.skipif(os.name != "posix", reason="folders have no modes here")
def test_only_the_researcher_s_account_can_open_what_participants_sent(
    visitor: Any, record: Any, study: Path
) -> None:
    visitor.send("1/1/reaction", record())
    for folder in (study / visitor.name, study / visitor.name / "session_1", study / ".studio"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_names_of_participants_say_nothing(make_visitor: Callable[..., Any]) -> None:
    names = [make_visitor(None).name for _ in range(5)]
    assert len(set(names)) == 5
    assert all(re.fullmatch("p[0-9a-z]{9}", name) for name in names)
