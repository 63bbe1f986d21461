"""How far a run that was started from the home page has come."""

from __future__ import annotations

from crm_bridge.domain.run import Phase, Progress
from crm_bridge.presentation.start_view import StartedRun
from tests.support.factories import NOON


def report(phase: Phase, done: int, total: int | None) -> Progress:
    return Progress(phase=phase, done=done, total=total, at=NOON)


def test_the_bar_never_goes_back_and_ends_before_the_run_does() -> None:
    run = StartedRun(started=0)
    percents = []

    for progress in (
        report(Phase.REFRESHING, 0, 3),
        report(Phase.LOOKING_UP, 30, 60),
        report(Phase.REFRESHING, 2, 3),
        report(Phase.READING, 10_000, None),
        report(Phase.APPLYING, 5, 10),
        report(Phase.READING, 20_000, None),
        report(Phase.APPLYING, 10, 10),
    ):
        run.note(progress)
        percents.append(run.part(60)["percent"])

    assert percents == [0, 0, 22, 33, 83, 83, 100]


def test_the_time_left_is_guessed_when_enough_is_done() -> None:
    run = StartedRun(started=0)
    assert run.part(10)["minutes"] is None

    run.note(report(Phase.APPLYING, 0, 10))

    assert run.part(600)["minutes"] == 5
