"""What is not known for certain about CoMagic's deals, one switch each: docs/remote/comagic-deals.md#unknowns."""

from dataclasses import dataclass

from tests.sandbox.switches import Switchboard, choice


@dataclass(frozen=True, kw_only=True)
class DealSwitches(Switchboard):
    """Positions of the simulator of deals; the defaults are the likelier truth.

    Attributes:
        duplicate_contact: Whether the other contacts of a request with a known one are made (unknown 1).
        back_from_failed: A deal that goes from a stage `failed` back into work (2).
        same_stage: An update with the stage and time of the last record: accepted, or it needs a later
            `modified_date_time` (3).
        name_limit: The longest name that is taken (4).
        comments_limit: The longest comment that is taken (4).
        contacts_seen_after_seconds: How long an upload does not see contacts that were just made (5).
        deleted_again: The `ext_id` of a deleted deal: a new deal, or refused (6).
        repeated_record: A record that says nothing new, sent again: accepted or refused (7).
        stale_update: Any other update without a later `modified_date_time`: refused or silently ignored (8).
        processing_seconds: How long `get.deals_history` does not show an upload.
        error_fields: Whether an error names the field by its path.
        component: Whether the component `sales_funnel` is on.
        option: Whether the paid option is on, and the integration in the client area.
    """

    duplicate_contact: str = choice("none_made", "others_made")
    back_from_failed: str = choice("allowed", "refused")
    same_stage: str = choice("accepted", "needs_later_modified")
    name_limit: int = choice(255, 12)
    comments_limit: int = choice(1000, 60)
    contacts_seen_after_seconds: int = choice(0, 20)
    deleted_again: str = choice("new", "refused")
    repeated_record: str = choice("accepted", "refused")
    stale_update: str = choice("refused", "ignored")
    processing_seconds: int = choice(0, 90)
    error_fields: str = choice("path", "absent")
    component: bool = choice(True, False, state=True)
    option: bool = choice(True, False, state=True)
