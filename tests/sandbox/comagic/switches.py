"""What is not known for certain about CoMagic, one switch each."""

from dataclasses import dataclass

from tests.sandbox.switches import Switchboard, choice


@dataclass(frozen=True, kw_only=True)
class CoMagicSwitches(Switchboard):
    """Positions of the simulator; the defaults are the likelier truth.

    Attributes:
        result_shape: Results of the writing methods: `{"data": {...}, "metadata": ...}`, or bare.
        duplicate_set: A second set.tag_sales: refused, replaces the sale, or adds another one.
        unset_clears: Whether taking the sale tag away also takes the sale.
        unset_absent: Taking a tag away that is not there.
        empty_tags: What stands for no tags.
        tags_with_sale: Whether the reports show the tags of a row that has a sale.
        visibility_delay_seconds: Reports show tags and sales as they were that long ago.
        interval_end: Whether `date_till` itself belongs to the interval.
        interval_rule: The three months limit the interval, or also the age of the data.
        call_ids: Whether the row id of a call is its communication id.
        error_id: Whether errors echo the `id` of the request.
        limit_status: HTTP status of `limit_exceeded`.
        limits_in_metadata: Whether answers have the limits.
        sale_date_check: How exactly a sale must not be earlier than its communication.
        future_sale: Sales dated in the future.
        no_site_sale: A sale on a communication that has no site.
        sales_off_sale: A sale on a communication of a site without the sales option; an accepted one is not listed.
        sales_off_error: How it is refused.
        zero_sale: A sale of nothing, or less.
        sale_cost_form: JSON form of `sale_cost`: 3200 and 4500.5, 3200.0, or "3200.00".
        visitor_phone_form: JSON type of `visitor_phone_number`.
        unknown_field_error: What an unknown name in `fields` is answered with.
        client_fields: Fields that no page has and public clients name, such as `utm_referrer` of calls.
        unasked_fields: Whether rows also have `utm_referrer` and `source`, as somebody's rows had.
        newer_operators: Operators of filters that only the Russian edition has, "not for every method".
        edition: Whose wording errors have: the Russian pages misspell a mnemonic.
        meta_key: Where a list's metadata is whose page says `meta_data`: `get.account`, `get.sites`.
        sale_tag_name: The Russian product says «Продажа», CallGear `Sale`.
        sort_ties: `shuffled`: rows of the same second come in another order on every page.
        max_in_items: The longest list of the operator `in`.
        ip_blocked: The caller's address is not on the list.
        key: State of the key.
        account_active: A blocked account refuses everything.
        tag_rights: What the key may do with tags: `update` sets them, `select` only reads.
        key_rights: `tags_only`: the key was made for tags, and may do nothing else that needs a right.
        components: What is switched on: everything, call tracking with telephony, or telephony alone.
        key_of: An agency's key needs `user_id` with every method but get.account, which shows the agency's own account.
        consultant: Whether chats and offline messages are there; off refuses their reports, whatever else is on.
    """

    result_shape: str = choice("nested", "flat")
    duplicate_set: str = choice("error", "replace", "add")
    unset_clears: str = choice("sale", "tag_only")
    unset_absent: str = choice("error", "ok")
    empty_tags: str = choice("null", "list")
    tags_with_sale: str = choice("shown", "hidden")
    visibility_delay_seconds: int = choice(0, 30)
    interval_end: str = choice("inclusive", "exclusive")
    interval_rule: str = choice("length", "age")
    call_ids: str = choice("same", "different")
    error_id: str = choice("echo", "null")
    limit_status: int = choice(200, 429)
    limits_in_metadata: str = choice("present", "empty", "absent")
    sale_date_check: str = choice("second", "day")
    future_sale: str = choice("refused", "allowed")
    no_site_sale: str = choice("allowed", "refused")
    sales_off_sale: str = choice("refused", "accepted")
    sales_off_error: str = choice("tariff_restrictions", "forbidden", "method_component_disabled")
    zero_sale: str = choice("refused", "allowed")
    sale_cost_form: str = choice("number", "float", "string")
    visitor_phone_form: str = choice("string", "number")
    unknown_field_error: str = choice("invalid_parameter_value", "unexpected_parameters")
    client_fields: str = choice("accepted", "refused")
    unasked_fields: str = choice("absent", "present")
    newer_operators: str = choice("accepted", "refused")
    edition: str = choice("english", "russian")
    meta_key: str = choice("metadata", "meta_data")
    sale_tag_name: str = choice("Продажа", "Sale")
    sort_ties: str = choice("stable", "shuffled")
    max_in_items: int = choice(200, 10_000)
    ip_blocked: bool = choice(False, True, state=True)
    key: str = choice("valid", "expired", "blocked", state=True)
    account_active: bool = choice(True, False, state=True)
    tag_rights: str = choice("update", "select", "none", state=True)
    key_rights: str = choice("all", "tags_only", state=True)
    components: str = choice("all", "call_tracking", "telephony", state=True)
    key_of: str = choice("client", "agency", state=True)
    consultant: bool = choice(True, False, state=True)
