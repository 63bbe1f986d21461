"""Logs: one JSON object a line on stdout, without secrets or phones."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_bridge import logs
from crm_bridge.redaction import register_secrets

PHONE, MASKED = "79261234567", "7926***4567"
NOISY = ("httpx", "httpcore", "google", "grpc", "urllib3", "asyncio")

log = logging.getLogger("crm_bridge.test")


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """Leave the process's loggers as they were."""
    root, noisy = logging.getLogger(), [logging.getLogger(name) for name in NOISY]
    handlers, level, levels = root.handlers[:], root.level, [logger.level for logger in noisy]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger, before in zip(noisy, levels, strict=True):
        logger.setLevel(before)
    log.disabled = False


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capsys.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


class TestLine:
    @pytest.fixture(autouse=True)
    def set_up(self) -> None:
        logs.set_up("DEBUG")

    def test_a_record_is_one_object_in_the_field_names_of_cloud_logging(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log.warning("run_%s", "finished")

        assert lines(capsys) == [{"severity": "WARNING", "message": "run_finished", "logger": "crm_bridge.test"}]

    def test_extra_fields_stand_beside_the_message(self, capsys: pytest.CaptureFixture[str]) -> None:
        log.info("run_finished", extra={"changes": 3, "seconds": 1.5, "failed": None, "counts": {"set": 1}})

        (line,) = lines(capsys)
        assert (line["changes"], line["seconds"], line["failed"], line["counts"]) == (3, 1.5, None, {"set": 1})

    def test_a_value_that_json_does_not_know_is_written_as_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        log.info("run_finished", extra={"at": datetime(2026, 6, 15, 9, 0, tzinfo=UTC)})

        assert lines(capsys)[0]["at"] == "2026-06-15 09:00:00+00:00"

    def test_line_breaks_and_cyrillic_stay_within_one_readable_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        log.info("Химчистка\nпальто")

        assert "Химчистка\\nпальто" in capsys.readouterr().out

    def test_a_line_has_the_id_of_the_run_that_the_task_works_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        token = logs.run_id.set("20260615-090000")
        log.info("within")
        log.info("of another run", extra={"run_id": "another"})
        logs.run_id.reset(token)
        log.info("without")

        assert [line.get("run_id") for line in lines(capsys)] == ["20260615-090000", "another", None]

    def test_an_exception_is_a_field_of_the_same_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        try:
            raise ValueError("no such order")
        except ValueError:
            log.exception("run_failed")

        (line,) = lines(capsys)
        assert line["severity"] == "ERROR"
        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("ValueError: no such order")

    def test_phones_are_masked_inside_lists_and_objects_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        log.info("stored", extra={"documents": [f"sales/{PHONE}-1"], "by": {PHONE: (PHONE, 3)}, "names": {PHONE}})

        (line,) = lines(capsys)
        assert line["documents"] == [f"sales/{MASKED}-1"]
        assert line["by"] == {MASKED: [MASKED, 3]}
        assert line["names"] == [MASKED]

    def test_phones_and_secrets_are_masked_wherever_they_stand(self, capsys: pytest.CaptureFixture[str]) -> None:
        register_secrets("a-token-of-the-logs")
        try:
            raise ValueError(f"{PHONE} with a-token-of-the-logs")
        except ValueError as exc:
            log.exception("%s called with a-token-of-the-logs", PHONE, extra={"phone": PHONE, "cause": exc})

        out = capsys.readouterr().out
        assert PHONE not in out
        assert "a-token-of-the-logs" not in out
        line = json.loads(out)
        assert line["message"] == f"{MASKED} called with ***"
        assert line["phone"] == MASKED
        assert line["cause"] == f"{MASKED} with ***"
        assert line["exception"].endswith(f"ValueError: {MASKED} with ***")

    def test_a_record_that_cannot_be_formatted_does_not_stop_the_caller(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        logs.set_up("DEBUG")  # again, because the handlers of pytest would raise
        log.info("%d orders", "many")

        out, err = capsys.readouterr()
        assert out == ""
        assert "TypeError" in err

    def test_each_line_goes_to_the_stdout_of_that_moment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The framework replaces `sys.stdout` after the handler was made."""
        swapped = io.StringIO()
        monkeypatch.setattr(sys, "stdout", swapped)

        log.info("later")

        assert json.loads(swapped.getvalue())["message"] == "later"


class TestSetUp:
    @pytest.mark.parametrize(
        ("level", "written"),
        [("DEBUG", ["debug", "info", "warning"]), ("INFO", ["info", "warning"]), ("WARNING", ["warning"])],
    )
    def test_the_level_decides_what_is_written(
        self, capsys: pytest.CaptureFixture[str], level: str, written: list[str]
    ) -> None:
        logs.set_up(level)
        log.debug("debug")
        log.info("info")
        log.warning("warning")

        assert [line["message"] for line in lines(capsys)] == written

    def test_the_level_can_be_changed_and_the_handler_stays(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.set_up("WARNING")
        (handler,) = logging.getLogger().handlers
        log.info("unseen")

        logs.set_up("INFO")
        log.info("seen")

        assert logging.getLogger().handlers == [handler]
        assert [line["message"] for line in lines(capsys)] == ["seen"]

    def test_handlers_of_others_are_replaced_and_disabled_loggers_enabled(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With LOG_EXECUTION_ID the framework's `dictConfig` takes our handler away and disables our loggers."""
        logs.set_up("INFO")
        logging.getLogger().handlers[:] = [logging.StreamHandler(), logging.StreamHandler()]
        log.disabled = True

        logs.set_up("INFO")
        log.info("seen")

        assert [line["message"] for line in lines(capsys)] == ["seen"]

    @pytest.mark.parametrize("name", NOISY)
    def test_libraries_are_not_heard_below_a_warning(self, name: str) -> None:
        """httpx logs whole addresses at INFO, and Agbis's session is in them."""
        logs.set_up("DEBUG")

        logger = logging.getLogger(name)  # google's does not pass its records on, so its level is looked at
        assert not logger.isEnabledFor(logging.INFO)
        assert logger.isEnabledFor(logging.WARNING)
