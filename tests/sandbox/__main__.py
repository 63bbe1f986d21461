"""`python -m tests.sandbox`: both systems on one port, started by hand."""

import argparse
import signal
import socket
import sys
from typing import Any

from tests.sandbox.offers import offers
from tests.sandbox.serve import SandboxServer
from tests.sandbox.world import World, populate


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox",
        description="Simulators of Agbis and CoMagic over one made-up dry cleaner. "
        "GET /_sandbox/state shows everything in it; --list says what it offers.",
    )
    parser.add_argument("--list", action="store_true", help="print what it offers, as Markdown, and end")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9090, help="port, 0 for any free one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another population (default: %(default)s)")
    parser.add_argument("--phones", type=int, default=60, help="phones of clients (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=0, help="more calls, of strangers (default: %(default)s)")
    parser.add_argument("--quota-minute", type=int, metavar="N", help="CoMagic points a minute (default: no limit)")
    parser.add_argument("--quota-day", type=int, metavar="N", help="CoMagic points a day (default: no limit)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="time every answer takes (default: 0)")
    parser.add_argument("--empty", action="store_true", help="start without clients and calls")
    return parser.parse_args()


def main() -> None:
    """Serve until TERM or INT."""
    args = arguments()
    if args.list:
        print(offers(), end="")
        return
    world = World(latency=args.latency_ms / 1000)
    world.comagic.minute_limit = args.quota_minute
    world.comagic.day_limit = args.quota_day
    if not args.empty:
        populate(world, seed=args.seed, phones=args.phones, calls=args.calls)
    try:
        listener = socket.create_server((args.host, args.port))
    except OSError as error:
        sys.exit(f"cannot listen on {args.host}:{args.port}: {error.strerror}")
    server = SandboxServer(world.app)

    def stop(*_: Any) -> None:
        server.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    base = f"http://{args.host}:{listener.getsockname()[1]}"
    print(
        f"# The sandbox answers at {base}; what it knows: {base}/_sandbox/state. For the bridge:",
        *(f"{name}={text}" for name, text in world.settings(base).items()),
        "# What can be asked, switched, broken and made to happen: python -m tests.sandbox --list",
        sep="\n",
        flush=True,
    )
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
