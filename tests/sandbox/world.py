"""Both remote systems in one place, with one clock and a control surface."""

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.sandbox.agbis.simulator import Agbis, AgbisSwitches
from tests.sandbox.clock import Clock, SystemClock
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox.control import Control
from tests.sandbox.population import Truth, populate

__all__ = ["Truth", "World", "populate"]


class World:
    """A dry cleaner with its CRM and its call tracking.

    Attributes:
        truth: What `populate` made, and what it expects of a first run.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        zone: str = "Europe/Moscow",
        user: str = "api",
        password: str = "secret",
        token: str = "token",
        path: str = "demo_clean",
        latency: float = 0.0,
        agbis_switches: AgbisSwitches | None = None,
        comagic_switches: CoMagicSwitches | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.agbis = Agbis(self.clock, zone=zone, user=user, password=password, path=path, switches=agbis_switches)
        self.comagic = CoMagic(self.clock, zone=zone, token=token, switches=comagic_switches)
        self.agbis.latency = self.comagic.latency = latency
        self.truth: Truth | None = None
        self._control = Control(self)
        self._user, self._password, self._token = user, password, token

    @property
    def app(self) -> ASGIApp:
        """Both systems and `/_sandbox/` as one ASGI app."""

        # A function, not a bound method: uvicorn takes the latter for an app of ASGI 2.
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._serve(scope, receive, send)

        return app

    def settings(self, base: str) -> dict[str, str]:
        """Return the settings of functions that use both systems, served at an address."""
        return {
            "AGBIS_URL": f"{base}{self.agbis.base_path}",
            "AGBIS_USER": self._user,
            "AGBIS_PASSWORD": self._password,
            "COMAGIC_URL": f"{base}{self.comagic.path}",
            "COMAGIC_TOKEN": self._token,
        }

    def reset(self) -> None:
        """Remove everything that has happened; limits, latency and switches stay."""
        for system in (self.agbis, self.comagic):
            system.clear()
            system.requests.clear()
            system.faults.clear()
        self.agbis.sessions.reset()
        self.comagic.quota.reset()
        self.truth = None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith("/_sandbox"):
            await self._control(scope, receive, send)
        elif path.startswith("/cl/"):
            await self.agbis.app(scope, receive, send)
        else:
            await self.comagic.app(scope, receive, send)
