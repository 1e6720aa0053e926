"""The playhead: a second of a recording as a function of a clock."""

from swarmtui.playhead import SPEEDS, Playhead


def test_it_moves_with_the_clock() -> None:
    head = Playhead(60)
    head.play(100)

    assert head.at(107.5) == 7.5


def test_it_moves_as_fast_as_it_is_told() -> None:
    head = Playhead(60)
    head.play(100)
    head.set_speed(4, 105)

    assert head.at(107) == 5 + 2 * 4


def test_it_stands_while_it_is_paused() -> None:
    head = Playhead(60)
    head.play(100)
    head.pause(110)

    assert head.at(200) == 10
    head.play(300)
    assert head.at(301) == 11


def test_it_stops_at_the_end_and_plays_again_from_the_start() -> None:
    head = Playhead(60)
    head.play(0)
    assert head.at(100) == 60

    head.play(100)

    assert head.at(101) == 1


def test_it_is_never_put_outside_of_the_recording() -> None:
    head = Playhead(60)

    head.put(-5, 0)
    assert head.at(0) == 0
    head.put(99, 0)
    assert head.at(0) == 60


def test_the_speed_goes_up_and_down_by_steps_to_the_ends() -> None:
    head = Playhead(60)
    found = []
    for _ in range(10):
        found.append(head.speed)
        head.faster(0)
    assert found == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]

    for _ in range(10):
        head.faster(0, -1)

    assert head.speed == SPEEDS[0] == 0.25


def test_a_speed_between_two_steps_goes_to_the_next() -> None:
    head = Playhead(60, speed=3)

    head.faster(0)

    assert head.speed == 4
