from heaters_local.backoff import Backoff


def test_the_pause_doubles_up_to_half_a_minute():
    backoff = Backoff()
    pauses = []

    for _ in range(9):
        backoff = backoff.failed(healthy_s=0)
        pauses.append(backoff.pause_s)

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_minute_of_health_begins_anew():
    tired = Backoff(failures=6)

    assert tired.failed(healthy_s=59.9).pause_s == 30
    assert tired.failed(healthy_s=60).pause_s == 0.5
