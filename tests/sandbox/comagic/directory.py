"""The lists of the account that are no reports, and the methods that change them."""

from copy import deepcopy
from decimal import Decimal
from itertools import chain, count
from typing import Any

from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.comagic.params import Params
from tests.sandbox.comagic.seeds import WEIGHTS, WITHOUT_ID, seeds
from tests.sandbox.comagic.site_rows import site_row
from tests.sandbox.comagic.write_methods import Writer

Row = dict[str, Any]
_FIRST_NEW_ID = 900_001
_NEW_LINE = {"password": "new-password", "server": "sip.example.ru"}
_CONTROL = ("access_token", "user_id", "id")
# Of these a second one with the same name is a duplicate.
_NAMED = ("group_employees", "group_contacts", "contact_organizations", "schedules", "campaigns")
# Parameters of sites that the list shows in another way.
_SITE_NAMES = {"track_subdomains_enabled": "track_subdomains"}


class Directory:
    """Everything that has a `get`, `create`, `update` or `delete` of its own and no communications in it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._rows = seeds()
        self._ids = count(_FIRST_NEW_ID)
        self._site_details: dict[int, Row] = {}
        self._weights: dict[int, Row] = {}
        self._free_numbers = deepcopy(WITHOUT_ID["available_virtual_numbers"])

    def rows(self, name: str) -> list[Row]:
        """Return a list, in the order of its ids."""
        if name == "tags":
            tags = sorted(self._writer.tags.items())
            return [{"id": key, "name": tag, "is_system": is_system} for key, (tag, is_system) in tags]
        if name == "sites":
            return [
                site_row(key, domain, sales_enabled=enabled) | self._site_details.get(key, {})
                for key, (domain, enabled) in sorted(self._writer.sites.items())
            ]
        if name == "campaign_parameter_weights":
            return [
                {"site_id": key, "site_domain_name": domain} | dict.fromkeys(WEIGHTS, 1) | self._weights.get(key, {})
                for key, (domain, _) in sorted(self._writer.sites.items())
            ]
        if name == "available_virtual_numbers":
            return self._free_numbers
        if name in WITHOUT_ID:
            return WITHOUT_ID[name]
        return [{"id": key} | row for key, row in sorted(self._rows[name].items())]

    def change(self, method: str, params: Params) -> Row:
        """Carry out a `create`, `update`, `delete`, `enable` or `disable`, and return the result's data.

        Raises:
            ApiError: It is refused.
        """
        verb, _, name = method.partition(".")
        if verb in ("enable", "disable"):
            return self._switch_number(verb, params)
        if name == "sip_line_password":
            self._known("sip_lines", params)
            return {"password": _NEW_LINE["password"]}
        if name == "campaign_parameter_weights":
            self._refuse_unknown_site(params)
            self._weights.setdefault(params["site_id"], {}).update(_given(params))
            return {}
        special = {"tags": self._change_tag, "sites": self._change_site}.get(name, self._change_row)
        return special(verb, name, params)

    def _change_row(self, verb: str, name: str, params: Params) -> Row:
        given = _given(params)
        if verb != "delete":
            self._refuse_unknown_site(params)
            self._refuse_duplicate(name, params)
        if verb == "create":
            key = next(self._ids)
            self._rows[name][key] = given | self._names(name, given)
            if name == "sip_lines":
                line = {"phone_number": f"0{key - _FIRST_NEW_ID + 111}", "status": "active", "type": "in_out"}
                self._rows[name][key] |= line
                return {"id": key, "phone_number": line["phone_number"], **_NEW_LINE}
            return {"id": key}
        key = self._known(name, params)
        if verb == "update":
            self._rows[name][key] |= given | self._names(name, self._rows[name][key] | given)
        elif self._rows[name][key].get("is_system") or self._rows[name][key].get("type") in ("system", "integrated"):
            raise ApiError("forbidden", "id", key, code=-32602)
        else:
            del self._rows[name][key]
        return {}

    def _names(self, name: str, row: Row) -> Row:
        """Return the names that stand beside ids, and those that are put together of others."""
        found: Row = {}
        if "site_id" in row:
            found["site_domain_name"] = self._writer.sites[row["site_id"]][0]
        if name in ("employees", "contacts"):
            parts = (row.get(part) for part in ("last_name", "first_name", "patronymic"))
            found["full_name"] = " ".join(filter(None, parts))
        for part, owner in (("employee", "employees"), ("organization", "contact_organizations")):
            known = self._rows[owner].get(row.get(f"{part}_id", 0), {})
            label = "full_name" if part == "employee" else "name"
            if known:
                found[f"{part}_{label}"] = known[label]
        return found

    def _change_tag(self, verb: str, _: str, params: Params) -> Row:
        tags, key, name = self._writer.tags, params.get("id"), params.get("name")
        if name is not None and any(known == name and other != key for other, (known, _) in tags.items()):
            raise ApiError("duplicate_entity", "name", name)
        if verb == "create":
            created = next(self._writer.tag_ids)
            tags[created] = (str(name), False)
            return {"id": created}
        if key not in tags:
            raise ApiError("entity_not_found", "id", key)
        if tags[key][1]:
            raise ApiError("forbidden", "id", key, code=-32602)
        if verb == "delete":
            del tags[key]
        elif name is not None:
            tags[key] = (name, False)
        return {}

    def _change_site(self, verb: str, _: str, params: Params) -> Row:
        sites, key, domain = self._writer.sites, params.get("id"), params.get("domain_name")
        if any(known == domain and other != key for other, (known, _) in sites.items()):
            raise ApiError("duplicate_entity", "domain_name", domain)
        if verb == "create":
            key = max(sites) + 1
            sites[key] = (str(domain), False)
        elif key not in sites:
            raise ApiError("entity_not_found", "id", key)
        if verb == "delete":
            timelines = self._writer.store.timelines.values()
            if any(row.site_id == key for row in chain.from_iterable(line.rows for line in timelines)):
                raise ApiError("dependency_error", "id", key)
            del sites[key]
            return {}
        known, enabled = sites[key]
        sites[key] = (domain or known, params.get("sales_enabled", enabled))
        details = {_SITE_NAMES.get(part, part): value for part, value in _given(params).items()}
        details.pop("sales_enabled", None)
        scenario = details.pop("default_scenario_id", None)
        if scenario is not None:
            details["default_scenario"] = {"scenario_id": scenario, "scenario_name": None}
        self._site_details.setdefault(key, {}).update(details)
        return {"id": key} if verb == "create" else {}

    def _switch_number(self, verb: str, params: Params) -> Row:
        phone, numbers = params.get("virtual_phone_number"), self._rows["virtual_numbers"]
        if verb == "enable":
            free = next((row for row in self._free_numbers if row["phone_number"] == phone), None)
            if free is None:
                raise ApiError("virtual_phone_number_not_found", params={"virtual_phone_number": phone})
            self._free_numbers.remove(free)
            details = {"status": "active", "category": free["category"], "type": "va", "name": phone}
            numbers[next(self._ids)] = {"virtual_phone_number": phone} | details
        else:
            key = next((key for key, row in numbers.items() if row["virtual_phone_number"] == phone), None)
            if key is None:
                raise ApiError("virtual_phone_number_not_found", params={"virtual_phone_number": phone})
            del numbers[key]
        return {"success": True}

    def _known(self, name: str, params: Params) -> int:
        key = params.get("id")
        if key is None:
            raise ApiError("required_parameter_missed", "id")
        if key not in self._rows[name]:
            raise ApiError("entity_not_found", "id", key)
        return int(key)

    def _refuse_unknown_site(self, params: Params) -> None:
        site_id = params.get("site_id")
        if site_id is not None and site_id not in self._writer.sites:
            raise ApiError("entity_not_found", "site_id", site_id)

    def _refuse_duplicate(self, name: str, params: Params) -> None:
        wanted, own = params.get("name"), params.get("id")
        if name in _NAMED and any(row["name"] == wanted and key != own for key, row in self._rows[name].items()):
            raise ApiError("duplicate_entity", "name", wanted)


def _given(params: Params) -> Row:
    return {name: _plain(value) for name, value in params.items() if name not in _CONTROL}


def _plain(value: Any) -> Any:
    """Return a value as it goes out again: numbers came in as exact decimals."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value
