"""What makes a form a card, field by field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.card import FIELDS, CardForm, check_card_id
from crm_bridge.errors import InvalidInput

JOHN = {"name": "John Doe", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}


def refusal(**changes: object) -> str:
    """Return why John's form is refused once it is changed."""
    with pytest.raises(InvalidInput) as caught:
        CardForm.read(JOHN | changes)
    return str(caught.value)


def test_takes_the_documented_form() -> None:
    form = CardForm.read(JOHN)

    assert (form.name, form.phone, form.arpu, form.soc_tariff) == ("John Doe", "9156685347", "4570", "TESTSOC")


def test_ignores_unknown_fields() -> None:
    assert CardForm.read(JOHN | {"id": "elsewhere", "date": "2017", "vip": [1, {"a": None}]}) == CardForm.read(JOHN)


@pytest.mark.parametrize("gone", [None, ""])
def test_null_and_empty_are_missing(gone: object) -> None:
    assert refusal(phone=gone) == "missing fields: phone"


def test_names_all_missing_fields_in_their_order() -> None:
    assert refusal(phone=None, name="") == "missing fields: name, phone"
    with pytest.raises(InvalidInput, match=r"\Amissing fields: name, phone, arpu, soc_tariff\Z"):
        CardForm.read({})


def test_missing_fields_are_told_before_wrong_ones() -> None:
    assert refusal(name=7, arpu=None) == "missing fields: arpu"


def test_the_first_wrong_field_is_told() -> None:
    assert refusal(phone="1", soc_tariff="12345678901").startswith("phone: ")


@pytest.mark.parametrize(
    "name", ["Ю", "я" * 50, "Иван Ё. Петров-Водкин", "李雷", "👩‍👩‍👧" * 10, " ", "می‌خواهم", "O'Hara\u00a0"]
)
def test_takes_names_of_any_script_as_they_are(name: str) -> None:
    assert CardForm.read(JOHN | {"name": name}).name == name


@pytest.mark.parametrize("field", ["name", "soc_tariff"])
@pytest.mark.parametrize("value", [7, 1.5, True, False, 0, [], {}, ["x"], {"a": "x"}])
def test_text_must_be_a_string(field: str, value: object) -> None:
    assert refusal(**{field: value}) == f"{field}: must be a string"


@pytest.mark.parametrize(("field", "longest"), [("name", 50), ("soc_tariff", 10)])
def test_text_has_a_longest_length_in_characters(field: str, longest: int) -> None:
    CardForm.read(JOHN | {field: "ы" * longest})
    assert refusal(**{field: "ы" * (longest + 1)}) == f"{field}: must be at most {longest} characters"


@pytest.mark.parametrize("field", ["name", "soc_tariff"])
@pytest.mark.parametrize("unfit", ["\0", "\n", "\x1f", "\x7f", "\x85", "\ud800"])
def test_text_must_be_showable_and_storable(field: str, unfit: str) -> None:
    """A NUL or a lone surrogate would break a store or a panel later, where nobody can answer 400."""
    for value in (unfit, f"a{unfit}", f"{unfit}b"):
        assert refusal(**{field: value}) == f"{field}: must not contain control characters or lone surrogates"


@pytest.mark.parametrize(
    "phone",
    [
        "915668534",
        "91566853470",
        "+9156685347",
        "915 668 53",
        "９１５６６８５３４７",
        "٩١٥٦٦٨٥٣٤٧",
        "915668534\n",
        " 9156685347",
    ],
)
def test_phone_is_ten_ascii_digits(phone: str) -> None:
    assert refusal(phone=phone) == "phone: must be a string of 10 digits"


@pytest.mark.parametrize("phone", [9156685347, 9156685347.0, True, ["9156685347"], {}])
def test_phone_is_a_string(phone: object) -> None:
    assert refusal(phone=phone) == "phone: must be a string of 10 digits"


@pytest.mark.parametrize(
    ("arpu", "kept"),
    [("4570", "4570"), (4570, "4570"), (0, "0"), ("0", "0"), ("004570", "4570"), ("000", "0"), (10**18 - 1, "9" * 18)],
)
def test_arpu_is_kept_as_plain_digits(arpu: object, kept: str) -> None:
    assert CardForm.read(JOHN | {"arpu": arpu}).arpu == kept


@pytest.mark.parametrize(
    "arpu",
    [
        -1,
        "-1",
        "+1",
        1.0,
        "1.0",
        "1e3",
        True,
        False,
        [],
        {},
        [1],
        "٤٥",
        "１",
        "1 000",
        " 1",
        "1\n",
        "1_0",
        "0x1",
        10**18,
        "9" * 19,
        float("nan"),
        float("inf"),
        10**4000,
    ],
)
def test_arpu_is_whole_kopecks(arpu: object) -> None:
    assert refusal(arpu=arpu) == "arpu: must be whole kopecks, a number or a string of 1 to 18 digits"


@pytest.mark.parametrize("card_id", ["a", "test_id", "_", "0", "A" * 20, "__all__", "9156685347"])
def test_takes_ids(card_id: str) -> None:
    check_card_id(card_id)


@pytest.mark.parametrize(
    "card_id",
    ["", "a" * 21, "a b", "a.b", "..", "a/b", "a%2Fb", "a\0", "a\n", "\n", "ид", "１", "é", "a-b", "a\u200b", "\ud800"],
)
def test_refuses_other_ids_without_quoting_them(card_id: str) -> None:
    with pytest.raises(InvalidInput, match=r"\Aid: must be 1 to 20 of A-Z a-z 0-9 _\Z"):
        check_card_id(card_id)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(), json_values))
def test_whatever_is_sent_is_taken_as_text_or_refused(fields: dict[str, object]) -> None:
    try:
        form = CardForm.read(fields)
    except InvalidInput:
        return
    for text in (form.name, form.phone, form.arpu, form.soc_tariff):
        assert text
        text.encode()


def test_a_form_does_not_show_itself() -> None:
    """It may stand in a traceback."""
    assert not any(value in repr(CardForm.read(JOHN)) for value in JOHN.values())
