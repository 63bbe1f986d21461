"""How random examples are drawn: few and always the same ones, so that all runs of the tests have the same outcome.

FAULTS_EXAMPLES=20 draws twenty times as many, and others each time; a failure is printed with the way to repeat it.
FAULTS_SHRINK=no leaves a failing example as large as it was found.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings


def profile(max_examples: int, *, steps: int = 50) -> settings:
    """Give the settings of a test that usually tries so many examples."""
    times = os.environ.get("FAULTS_EXAMPLES")
    return settings(
        max_examples=max_examples * int(times or 1),
        stateful_step_count=steps,
        derandomize=times is None,
        deadline=None,
        print_blob=True,
        phases=[phase for phase in Phase if phase is not Phase.shrink or os.environ.get("FAULTS_SHRINK") != "no"],
        suppress_health_check=list(HealthCheck),
    )
