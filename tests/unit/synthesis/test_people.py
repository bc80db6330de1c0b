import numpy as np

from fergi.synthesis.people import invented_person


def test_a_name_and_a_seed_always_give_the_same_person() -> None:
    first, second = invented_person("Eve", 3), invented_person("Eve", 3)
    assert (first.identity == second.identity).all()
    assert first.resting == second.resting


def test_other_names_and_seeds_give_other_people() -> None:
    faces = [invented_person(name, seed).identity for name in ("Eve", "Fay") for seed in (0, 1)]
    assert len({face.tobytes() for face in faces}) == 4


def test_people_differ_as_the_model_says_people_do() -> None:
    weights = np.array([invented_person(f"p{number}").identity for number in range(300)])
    # 300 draws of 100 standard normal numbers: their spread is known to about 0.4 %.
    assert abs(weights.std() - 1) < 0.02


def test_colours_are_colours() -> None:
    looks = [invented_person(f"p{number}").appearance for number in range(200)]
    colours = np.array([[look.skin, look.hair, look.iris, look.clothes] for look in looks])
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert 0.1 < np.mean([look.glasses is not None for look in looks]) < 0.3
