"""How many random examples are tried: few by default, as many more as FAULTS_EXAMPLES says (10: ten times as many)."""

from __future__ import annotations

import os


def examples(usually: int) -> int:
    return usually * int(os.environ.get("FAULTS_EXAMPLES", "1"))
