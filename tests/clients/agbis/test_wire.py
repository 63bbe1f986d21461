"""Agbis on the wire: forms of request, the envelope, the ways to write a value."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus, unquote
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.clients.agbis import wire
from crm_bridge.clients.retry import MalformedResponse
from crm_bridge.errors import RemoteProtocolError, RemoteRejected, RemoteUnavailable
from crm_bridge.redaction import clean_text
from tests.support.factories import MOSCOW

BASE = "https://himinfo.net/cl/demo_clean/api/"


class TestRequests:
    @pytest.mark.parametrize(
        ("url", "base"),
        [
            (BASE, BASE),
            (BASE.rstrip("/"), BASE),
            (f"{BASE}index.php", f"{BASE}index.php"),
        ],
    )
    def test_an_address_may_or_may_not_end_with_a_slash(self, url: str, base: str) -> None:
        assert wire.base_url(url) == base

    def test_a_get_is_encoded_exactly_once_and_httpx_leaves_it_alone(self) -> None:
        """Encoded twice, the server answers error 1."""
        request = wire.get(BASE, "Login", {"User": "Анна К", "Pwd": "100%+1'&=#"}, "S-1")

        path = httpx.Request("GET", request.url).url.raw_path.decode()
        assert request.url == f"https://himinfo.net{path}"
        assert "+" not in path
        text = unquote(path.partition("Login=")[2].partition("&SessionID=")[0])
        assert text == '{"User":"Анна К","Pwd":"100%+1\'&=#"}'
        assert path.endswith("&SessionID=S-1")

    def test_a_post_names_the_command_twice_and_has_the_session_in_its_body(self) -> None:
        request = wire.post(BASE, "OrderByDateTimeForAll", {"StartDate": "Ж"}, "S-1")

        assert request.url == f"{BASE}?OrderByDateTimeForAll"
        assert request.content == '{"OrderByDateTimeForAll":{"StartDate":"Ж"},"SessionID":"S-1"}'.encode()

    def test_a_window_is_written_in_local_time_to_the_minute(self) -> None:
        since, until = datetime(2026, 6, 14, 21, 0, 59, tzinfo=UTC), datetime(2026, 6, 15, 6, 5, tzinfo=UTC)

        request = wire.window(BASE, "X", "S", since=since, until=until, zone=MOSCOW)

        assert json.loads(request.content or b"")["X"] == {
            "StartDate": "15.06.2026 00:00",
            "StopDate": "15.06.2026 09:05",
        }

    @pytest.mark.parametrize(
        ("password", "digest"),
        [
            ("1234", "7110eda4d09e062aa5e4a390b0a572ac0d2c0220"),  # the documentation's sample
            ("7110EDA4D09E062AA5E4A390B0A572AC0D2C0220", "7110eda4d09e062aa5e4a390b0a572ac0d2c0220"),
            ("пароль", hashlib.sha1("пароль".encode()).hexdigest()),
        ],
        ids=["plain", "ready", "cyrillic"],
    )
    def test_a_password_travels_as_sha1(self, password: str, digest: str) -> None:
        assert wire.password_hash(password) == digest

    def test_a_request_hides_its_secrets_when_printed(self) -> None:
        assert "S-1" not in repr(wire.post(BASE, "X", {}, "S-1"))
        assert "S-1" not in repr(wire.get(BASE, "X", {}, "S-1"))


def reply(**body: Any) -> dict[str, Any]:
    return wire.reply("X", json.dumps(body).encode())


class TestReply:
    @given(st.text(), st.sampled_from([quote, quote_plus]))
    def test_text_survives_its_encoding_with_either_spelling_of_spaces(self, text: str, encode: Any) -> None:
        coded = encode(text.encode("utf-8", "replace"))

        assert reply(error=0, name=coded)["name"] == clean_text(text.encode("utf-8", "replace").decode())

    @given(st.text())
    def test_any_text_can_be_decoded(self, text: str) -> None:
        decoded = reply(error=0, name=text, **{"k" + text: 1})

        assert json.dumps(decoded, ensure_ascii=False).encode()
        assert not any(
            unicodedata.category(character) == "Cc" for key in (decoded["name"], *decoded) for character in key
        )

    def test_levels_are_counted_whatever_the_strings_hold(self) -> None:
        def nested(levels: int) -> bytes:
            return b'{"error":0,"x":' + b'["]",' * levels + b"1" + b"]" * levels + b"}"

        wire.reply("X", nested(99))
        for levels in (100, 900, 100_000):
            with pytest.raises((RemoteProtocolError, MalformedResponse), match=r"levels|not JSON"):
                wire.reply("X", nested(levels))

    def test_values_are_decoded_once_at_every_depth_and_keys_never(self) -> None:
        decoded = reply(error=0, List=[{"A%20b": "%2525", "inner": [["a+b%2Bc"]]}])

        assert decoded["list"] == [{"a%20b": "%25", "inner": [["a b+c"]]}]

    def test_a_byte_order_mark_is_ignored(self) -> None:
        assert wire.reply("X", b'\xef\xbb\xbf{"error":0}') == {"error": 0}

    def test_a_success_may_write_its_error_as_a_string(self) -> None:
        assert reply(error="0", x="1")["x"] == "1"

    @pytest.mark.parametrize(
        "content", [b"", b"<html></html>", b'{"error":0,"ord', b"[]", b'"x"', b"\xff\xfe{}", b"NaN"]
    )
    def test_an_answer_that_is_no_json_object_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            wire.reply("X", content)

    @pytest.mark.parametrize("error", [None, "", "no", True, 0.5, []])
    def test_an_answer_without_an_error_number_is_a_protocol_error(self, error: object) -> None:
        with pytest.raises(RemoteProtocolError):
            reply(error=error, orders=[])

    @pytest.mark.parametrize("code", [100, 101, 107, 108, 109])
    def test_an_error_that_passes_is_unavailable(self, code: int) -> None:
        with pytest.raises(RemoteUnavailable) as raised:
            reply(error=code)

        assert raised.value.retry_after is None
        assert str(code) in str(raised.value)

    def test_asking_too_often_says_how_long_to_wait(self) -> None:
        with pytest.raises(RemoteUnavailable) as raised:
            reply(error=102)

        assert raised.value.retry_after == 120

    @pytest.mark.parametrize("code", [1, 2, 3, 103, 104, 105, 106, 117, 999])
    def test_any_other_error_is_a_refusal_with_its_text(self, code: int) -> None:
        with pytest.raises(RemoteRejected) as raised:
            reply(error=code, Msg="%D0%9D%D0%B5+%D0%B0%D0%B2%D1%82%D0%BE%D1%80%D0%B8%D0%B7%D0%BE%D0%B2%D0%B0%D0%BD")

        assert raised.value.code == str(code)
        assert str(raised.value) == f"Agbis: X: error {code}: Не авторизован"

    def test_a_text_of_the_server_does_not_repeat_secrets(self) -> None:
        with pytest.raises(RemoteRejected) as raised:
            reply(error=1, Msg="0BE170AB-86AF-441F-8523-8C960EA3EC4E %2B79261234567 https://himinfo.net/x?Login=1")

        assert str(raised.value) == "Agbis: X: error 1: *** *** ***"


NAIVE = (datetime(2000, 1, 1), datetime(2100, 12, 31))  # noqa: DTZ001 - hypothesis wants them so
KOPECKS = st.integers(-(10**14), 10**14)


class TestMoney:
    @given(KOPECKS, st.sampled_from([",", "."]), st.sampled_from(["", " ", "\u00a0", "\u202f"]), st.booleans())
    def test_every_spelling_of_a_sum_is_read_to_the_kopeck(
        self, amount: int, point: str, separator: str, bare: bool
    ) -> None:
        whole, cents = divmod(abs(amount), 100)
        text = ("-" if amount < 0 else "") + f"{whole:,}".replace(",", separator)
        if cents or not bare:
            text += f"{point}{cents:02d}"

        assert wire.kopecks(text) == amount

    @pytest.mark.parametrize(
        ("value", "amount"),
        [
            ("", 0),
            (None, 0),
            ("693942,49", 69_394_249),
            ("801,9", 80_190),
            (1500, 150_000),
            (Decimal("4300.5"), 430_050),
        ],
    )
    def test_documented_and_seen_forms_of_a_sum_are_read(self, value: object, amount: int) -> None:
        assert wire.kopecks(value) == amount

    def test_a_json_number_never_becomes_a_float(self) -> None:
        answer = wire.reply("X", b'{"error":0,"kredit":90071992547409.93}')

        assert wire.kopecks(answer["kredit"]) == 9_007_199_254_740_993

    @pytest.mark.parametrize(
        "value", ["1.234,56", "1,234.56", "12e3", "abc", "1500 rub", "--5", ",5", "1,", "٣", True, [], {}, "9" * 16]
    )
    def test_a_text_that_is_not_surely_a_sum_is_an_error(self, value: object) -> None:
        with pytest.raises(ValueError, match="not a sum"):
            wire.kopecks(value)


class TestMoments:
    @given(st.datetimes(*NAIVE), st.sampled_from([" ", "  ", "T"]))
    def test_a_local_moment_is_read_to_the_second(self, moment: datetime, space: str) -> None:
        zone = ZoneInfo("Asia/Almaty")
        known = moment.replace(microsecond=0, tzinfo=zone).astimezone(UTC)

        assert wire.moment(f"{moment:%d.%m.%Y}{space}{moment:%H:%M:%S}", zone) == known
        assert wire.moment(f"{moment:%d.%m.%Y}{space}{moment:%H:%M}", zone) == known.replace(second=0)

    @given(st.dates(date(2000, 1, 1), date(2100, 12, 31)))
    def test_a_date_alone_is_midnight(self, day: date) -> None:
        known = datetime(day.year, day.month, day.day, tzinfo=UTC)

        assert wire.moment(f"{day:%d.%m.%Y}", ZoneInfo("UTC")) == known
        assert wire.moment(f"{day:%Y-%m-%d}", ZoneInfo("UTC")) == known

    @pytest.mark.parametrize("value", ["31.12.1999", "01.01.2101 12:00", "31.12.9999", "0001-01-01"])
    def test_a_year_of_another_age_is_an_error(self, value: str) -> None:
        with pytest.raises(ValueError, match="date"):
            wire.moment(value, MOSCOW)

    def test_the_time_may_stand_in_a_field_of_its_own(self) -> None:
        utc = ZoneInfo("UTC")
        assert wire.moment("14.06.2026", utc, "11:04:10") == datetime(2026, 6, 14, 11, 4, 10, tzinfo=UTC)
        assert wire.moment("14.06.2026 09:00", utc, "11:04:10") == datetime(2026, 6, 14, 9, 0, tzinfo=UTC)

    @pytest.mark.parametrize("value", ["", None, "31.02.2026", "15.06.2026 25:00", "yesterday", "15.06.26", [], {}])
    def test_a_text_that_is_no_moment_is_none(self, value: object) -> None:
        assert wire.moment(value, MOSCOW) is None
