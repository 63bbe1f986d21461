"""The health check of a container: does the function answer, or does the schedule still turn?"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

ALIVE = Path("/tmp/crm-bridge-schedule")  # noqa: S108 - the container's own
_OLDEST = 180.0


def main() -> int:
    if sys.argv[1:] == ["schedule"]:
        return 0 if time.time() - ALIVE.stat().st_mtime < _OLDEST else 1
    address = f"http://127.0.0.1:{os.environ.get('PORT') or 8080}/check_health"
    request = Request(address, headers={"X-API-Key": os.environ.get("SYNC_API_KEY", "")})
    with urlopen(request, timeout=15) as answer:  # noqa: S310 - any other status than 2xx raises
        return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
