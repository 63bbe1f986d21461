"""What is not known for certain about Agbis, one switch each."""

from dataclasses import dataclass

from tests.sandbox.switches import Switchboard, choice


@dataclass(frozen=True, kw_only=True)
class AgbisSwitches(Switchboard):
    """Positions of the simulator; the defaults are what production accounts were seen to do.

    Attributes:
        spaces: How a space is written: `+`, `%20`, or both in one answer.
        orders_key: Live accounts say `orders`, the documentation `order`.
        content_type: `by_verb`: text/html on POST and JSON on GET, as one account does.
        thousands: Separator inside sums.
        decimal: Decimal sign of sums.
        whole_sums: Whether whole roubles come as `1500` or `1500,00`.
        error_type: JSON type of `error`.
        error_msg: Form of `Msg`.
        payments_empty: What stands for no payments.
        refund_form: A row with `kredit`, a row with a negative `debet`, or the payment's own row made smaller.
        cancel_form: A cancelled order loses its payments, or keeps them with a compensating refund.
        window_end: Whether the minute of StopDate belongs to the window.
        orders_between_by: The date that OrdersBetweenForAll looks at.
        pay_date: Whether `pay_date` of OrderPaysBetweenForAll has a time.
        doc_date: Whether `doc_date` has a time.
        datetime_seconds: Whether moments have seconds.
        colons: Whether the colon of a time is percent-encoded.
        status_key: Under which key an order has its status.
        key_case: Letter case of the keys of lists and sessions.
        bom: A byte order mark before the JSON.
        numeric_ids: Ids as JSON numbers.
        phone_plus: `bare` leaves the plus of a phone unencoded, which decodes to a space.
        nested_lines: Services hang below a line of the item itself, which costs nothing.
        row_order: Order of the rows of a list.
        not_found_form: What an unknown client or order is answered with.
        expired_code: Error of a session that is over.
        session_slides: Whether use prolongs a session.
        refresh_life_minutes: How long Refresh_id can be used.
        login_kills_older: Whether a new Login ends the user's other sessions.
        wrong_credentials_code: Error of a refused Login.
        login_guard_seconds: Login again within that time is refused, and so for two minutes; 0 is off.
        throttle_form: `http` 429, or `error_102` in the body.
        price_tree_without_id: The documents of 2026 call the id necessary; a public page asks without.
        max_window_days: A wider window is answered with a 504 page.
        compressed: Answers are deflated for those who accept it.
        min_gap_seconds: Data commands that follow quicker are throttled; 0 is off.
        payment_bumps_update: A payment moves the order's `update`. When it does not, no incremental reader can see it.
        refund_bumps_update: The same for a refund.
        database_down: The dry cleaner's database cannot be reached: error 108 on everything.
    """

    spaces: str = choice("mixed", "plus", "percent")
    orders_key: str = choice("orders", "order")
    content_type: str = choice("by_verb", "json", "html")
    thousands: str = choice("none", "space", "nbsp", "narrow_nbsp")
    decimal: str = choice("comma", "dot")
    whole_sums: str = choice("bare", "with_decimals")
    error_type: str = choice("number", "string")
    error_msg: str = choice("encoded", "plain", "missing")
    payments_empty: str = choice("null", "absent", "list")
    refund_form: str = choice("kredit_row", "negative_debet", "reduced")
    cancel_form: str = choice("payments_removed", "compensated")
    window_end: str = choice("inclusive", "exclusive")
    orders_between_by: str = choice("doc_date", "pay_date")
    pay_date: str = choice("date_time", "date")
    doc_date: str = choice("date", "date_time")
    datetime_seconds: bool = choice(True, False)
    colons: str = choice("raw", "encoded")
    status_key: str = choice("both", "status", "status_id")
    key_case: str = choice("documented", "capitalised", "upper", "lower")
    bom: bool = choice(False, True)
    numeric_ids: bool = choice(False, True)
    phone_plus: str = choice("encoded", "bare")
    nested_lines: bool = choice(False, True)
    row_order: str = choice("by_update", "reversed")
    not_found_form: str = choice("error_1", "empty")
    expired_code: int = choice(3, 106, 2)
    session_slides: bool = choice(False, True)
    refresh_life_minutes: int = choice(1440, 10)
    login_kills_older: bool = choice(False, True)
    wrong_credentials_code: int = choice(2, 1)
    login_guard_seconds: int = choice(120, 0)
    throttle_form: str = choice("http", "error_102")
    price_tree_without_id: str = choice("error_105", "whole")
    max_window_days: int = choice(31, 7, 1)
    compressed: bool = choice(False, True)
    min_gap_seconds: int = choice(0, 1, state=True)
    payment_bumps_update: bool = choice(True, False, state=True)
    refund_bumps_update: bool = choice(True, False, state=True)
    database_down: bool = choice(False, True, state=True)


SEEN = AgbisSwitches(spaces="percent", colons="raw", numeric_ids=True)
"""How the one real answer that is public is written: `%20`, `%2F`, no coded colon, numbers for ids."""
