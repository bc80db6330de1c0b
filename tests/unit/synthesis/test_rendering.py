from dataclasses import replace

import numpy as np
import pytest

from fergi.synthesis.expressions import Expression, plain_expression
from fergi.synthesis.morphable_face import MorphableFace
from fergi.synthesis.people import InventedPerson, invented_person
from fergi.synthesis.rendering import Renderer
from fergi.synthesis.scene import Framing, Light, Pose

SIZE = (96, 80)


@pytest.fixture(scope="module")
def renderer(face: MorphableFace) -> Renderer:
    return Renderer(face)


@pytest.fixture
def person() -> InventedPerson:
    found = invented_person("Ada")
    return replace(found, appearance=replace(found.appearance, glasses=None))


def _change(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first.astype(int) - second.astype(int)).max(axis=2)


def test_a_picture_has_the_size_that_was_asked_for(
    renderer: Renderer, person: InventedPerson
) -> None:
    picture = renderer.picture(person, plain_expression(), size=SIZE)
    assert picture.shape == (*SIZE, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10


def test_the_same_request_gives_the_same_picture(face: MorphableFace, renderer: Renderer) -> None:
    expression = plain_expression({12: 4.0})
    pictures = [
        one.picture(invented_person("Bo"), expression, Pose(yaw=10.0), size=SIZE)
        for one in (renderer, Renderer(face))
    ]
    assert (pictures[0] == pictures[1]).all()


def test_an_open_jaw_changes_the_lower_face_alone(
    renderer: Renderer, person: InventedPerson
) -> None:
    light = Light(strength=0.5)
    closed, opened = (
        renderer.picture(person, plain_expression({26: jaw}), light=light, size=SIZE)
        for jaw in (0.0, 5.0)
    )
    change = _change(closed, opened)
    # The camera adapts to the whole face, so that elsewhere a few grey levels may change.
    assert change[SIZE[0] // 2 :].max() > 60
    assert np.median(change[: SIZE[0] // 3]) <= 3


def test_a_gaze_moves_the_irises(renderer: Renderer, person: InventedPerson) -> None:
    ahead = Expression(np.zeros(12), np.zeros(12))
    change = _change(
        renderer.picture(person, ahead, size=SIZE),
        renderer.picture(person, replace(ahead, gaze=(25.0, 0.0)), size=SIZE),
    )
    assert change.max() > 60
    assert (change > 20).mean() < 0.05


def test_glasses_are_drawn_on_those_who_wear_them(
    renderer: Renderer, person: InventedPerson
) -> None:
    wearing = replace(person, appearance=replace(person.appearance, glasses=2.2))
    change = _change(
        renderer.picture(person, plain_expression(), size=SIZE),
        renderer.picture(wearing, plain_expression(), size=SIZE),
    )
    assert 0.005 < (change > 30).mean() < 0.2


def test_a_head_out_of_the_picture_leaves_the_backdrop(
    renderer: Renderer, person: InventedPerson
) -> None:
    away = Framing(across=9.0)
    pictures = [
        renderer.picture(one, plain_expression(), framing=away, size=SIZE)
        for one in (person, invented_person("Cy"))
    ]
    assert (pictures[0] == pictures[1]).all()


def test_a_turned_head_looks_to_its_own_left_which_is_our_right() -> None:
    forward = Pose(yaw=30.0).rotation() @ [0, 0, 1]
    assert forward[0] > 0.4
    assert (Pose(pitch=30.0).rotation() @ [0, 0, 1])[1] < -0.4


def test_the_face_that_users_fetch_is_drawn(
    ict_face: MorphableFace,
) -> None:
    person = invented_person("Dee")
    picture = Renderer(ict_face).picture(person, plain_expression(), size=(256, 256))
    assert picture.std() > 20
