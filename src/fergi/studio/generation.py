"""Pictures being made, one after another, while their participants wait."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from fergi.studio.generators import Generator, generator
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.stimuli import forget_failure, make_stimulus, require_stimulus, stimulus_state
from fergi.studio.studio import Studio
from fergi.studio.study_messages import StimulusState
from fergi.studio.tables import SessionRow

_WAITING_AT_MOST = 200


class Generation:
    """The queue of a study's generator; without a generator it is never used."""

    def __init__(self, studio: Studio, maker: Generator | None = None) -> None:
        section = studio.configuration.generator
        self._studio = studio
        self._maker = maker or (generator(section, studio.root) if section else None)
        self._workers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generation")
        self._begun: set[tuple[str, int, int]] = set()
        self._lock = Lock()

    def request(self, participant: str, session: int, image: int) -> StimulusState:
        """Say how far a stimulus is, and begin it if nobody has.

        A failure is told once; who asks again tries again.

        Raises:
            RequestRefusedError: If there is no such image, its prompt is not written yet, or
                too many wait.
        """
        with self._studio.database.reading() as transaction:
            row = require_stimulus(transaction, participant, session, image)
            if row.state == "ready" or self._maker is None:
                return stimulus_state(row)
            failure = stimulus_state(row) if row.state == "failed" else None
            if transaction.get_one(SessionRow, (participant, session)).prompt is None:
                raise RequestRefusedError("stimulus-missing", "Write the prompt first.")
        if failure is not None:
            forget_failure(self._studio, participant, session, image)
            return failure
        self._begin((participant, session, image))
        return StimulusState(state="waiting")

    def _begin(self, key: tuple[str, int, int]) -> None:
        with self._lock:
            if key in self._begun:
                return
            if len(self._begun) >= _WAITING_AT_MOST:
                raise RequestRefusedError("busy", "Too many pictures wait.", retry_after=10.0)
            self._begun.add(key)
        self._workers.submit(self._make, key)

    def _make(self, key: tuple[str, int, int]) -> None:
        assert self._maker is not None  # noqa: S101 (nothing is begun without one)
        try:
            # Whoever asked just before it was ready has put it into the queue once more.
            if not self._is_ready(key):
                make_stimulus(self._studio, self._maker, *key)
        finally:
            with self._lock:
                self._begun.discard(key)

    def _is_ready(self, key: tuple[str, int, int]) -> bool:
        with self._studio.database.reading() as transaction:
            return require_stimulus(transaction, *key).state == "ready"

    def close(self) -> None:
        """Let the picture in the making be finished, and forget the rest."""
        self._workers.shutdown(cancel_futures=True)
