"""Every spelling of a phone is one phone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.phone import MOST_NUMBERS, is_mobile, normalize_phone, numbers_in, phones_of_client
from tests.support.factories import ANNA, BORIS, communication, phone, recorded_sale


@pytest.mark.parametrize(
    "raw",
    [
        "79261234567",
        "+79261234567",
        " 79261234567",  # a bare `+` that was decoded as a space
        "89261234567",
        "9261234567",
        "8 (926) 123-45-67",
        "+7 926 123 45 67",
        "+7\u00a0(926)\u00a0123-45-67",
        "7\u0669\u0662\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667",  # digits of another script
        79261234567,
    ],
)
def test_every_russian_spelling_is_one_phone(raw: str | int) -> None:
    assert normalize_phone(raw, "RU") == "79261234567"


@pytest.mark.parametrize(
    ("raw", "phone"),
    [
        ("+375 29 123-45-67", "375291234567"),
        ("375291234567", "375291234567"),
        ("+7 700 111 22 33", "77001112233"),
        ("84951234567", "74951234567"),
        ("70000000001", "70000000001"),
    ],
)
def test_foreign_and_landline_numbers_keep_their_country(raw: str, phone: str) -> None:
    assert normalize_phone(raw, "RU") == phone


@pytest.mark.parametrize("raw", [None, "", " ", "нет", "-", "101", "12345", "+7", "anonymous", "9" * 40, "1234567"])
def test_what_is_no_phone_is_none(raw: str | None) -> None:
    assert normalize_phone(raw, "RU") is None


@given(raw=st.text(max_size=40))
def test_nothing_raises_and_what_comes_out_comes_out_again(raw: str) -> None:
    phone = normalize_phone(raw, "RU")

    if phone is not None:
        assert phone.isascii()
        assert phone.isdigit()
        assert normalize_phone(f"+{phone}", "RU") == phone


@given(number=st.integers(min_value=73 * 10**9, max_value=8 * 10**10 - 1))  # no Russian area code begins with 0-2
def test_comagics_own_form_is_taken_as_it_is(number: int) -> None:
    assert normalize_phone(str(number), "RU") == str(number)
    assert normalize_phone(f"8{str(number)[1:]}", "RU") == str(number)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("00375 29 123-45-67", "375291234567"),
        ("0037529 1234567", "375291234567"),
        ("007 926 123-45-67", ANNA),
        ("00 49 30 1234567", "49301234567"),
    ],
)
def test_two_zeros_are_an_international_prefix(typed: str, number: str) -> None:
    assert normalize_phone(typed, "RU") == number


LANDLINE = "74951112233"


class TestSeveralNumbersInOneField:
    @pytest.mark.parametrize(
        "typed",
        [
            "8 926 123-45-67, 8 (495) 111-22-33",
            "+79261234567;+74951112233",
            "89261234567/84951112233",
            "89261234567 84951112233",
            "моб. 8 926 123 45 67 или 8 495 111 22 33",
            "8-926-123-45-67 и 8-495-111-22-33",
            "89261234567\n84951112233",
            "89261234567 | (495)111-22-33 доб. 105",
            "89261234567, 8 495 111-22-33 вн.7",
            "89261234567, 84951112233 ext 12345",
            "89261234567,84951112233#12",
            "12, 89261234567, нет, 84951112233",
            "89261234567, 84951112233, +7 926 123-45-67",
        ],
    )
    def test_each_is_found_once(self, typed: str) -> None:
        assert numbers_in(typed, "RU") == (ANNA, LANDLINE)

    @pytest.mark.parametrize(
        "typed",
        [
            "89261234567",
            "8/926/123-45-67",
            "8 926 123 45 67 доб. 12",
            "8 926 123-45-67 (Ивановна 5)",
            "8 926 123-45-67 доб",
            "Анна 8 926 123-45-67",
            "89261234567x5",
        ],
    )
    def test_one_is_one(self, typed: str) -> None:
        assert numbers_in(typed, "RU") == (ANNA,)

    @pytest.mark.parametrize("typed", ["", "нет", "12, 13", "доб. 12", ",,;", "x" * 500])
    def test_none_is_none(self, typed: str) -> None:
        assert numbers_in(typed, "RU") == ()

    @given(st.text(max_size=60))
    def test_whatever_was_typed_gives_phones_only(self, typed: str) -> None:
        found = numbers_in(typed, "RU")

        assert [normalize_phone(f"+{number}", "RU") for number in found] == list(found)
        assert len(found) <= MOST_NUMBERS

    def test_a_text_of_numbers_without_end_is_cut(self) -> None:
        assert len(numbers_in(",".join(f"8926{number:07d}" for number in range(500)), "RU")) == MOST_NUMBERS


class TestThePhoneOfAClient:
    @pytest.mark.parametrize(
        ("fields", "number", "others"),
        [
            (["89261234567", "84951112233"], ANNA, (LANDLINE,)),
            (["84951112233, 89261234567", ""], ANNA, (LANDLINE,)),
            (["84951112233", "89261234567"], LANDLINE, (ANNA,)),
            (["", "84951112233, 89261234567"], ANNA, (LANDLINE,)),
            (["нет", "8 495 111-22-33 доб. 5"], LANDLINE, ()),
            (["89261234567, 89031112233", "89261234567"], ANNA, (BORIS,)),
            (["+375 17 200-00-00, +375 29 123-45-67"], "375291234567", ("375172000000",)),
            (["", ""], None, ()),
        ],
    )
    def test_is_the_first_mobile_of_the_first_field_that_has_a_number(
        self, fields: list[str], number: str | None, others: tuple[str, ...]
    ) -> None:
        assert phones_of_client(fields, "RU") == (number, others)

    def test_a_mobile_is_known_by_its_numbering_plan(self) -> None:
        assert [is_mobile(number) for number in (ANNA, LANDLINE, "375291234567", "375172000000", "77012345678")] == [
            *(True, False, True, False, True)
        ]


class TestTheNumberOfARecordedSale:
    def test_is_recorded_when_it_is_not_the_phone(self) -> None:
        assert phone().number_of(communication(1, phone=LANDLINE)) == LANDLINE
        assert phone().number_of(communication(1)) is None

    def test_is_kept_while_comagic_hides_it(self) -> None:
        marked = phone(sale=recorded_sale(1, found_by=LANDLINE))

        assert marked.number_of(communication(1, phone="")) == LANDLINE
        assert marked.number_of(communication(2, phone="")) is None
