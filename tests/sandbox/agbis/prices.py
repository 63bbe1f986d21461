"""The price list and the other directories that public pages and order forms of dry cleaners ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.sandbox.agbis.wire import Writer
from tests.sandbox.money import kopecks
from tests.sandbox.people import SERVICES

Row = dict[str, Any]
RETAIL = "0"
GOODS, SERVICE = "1", "2"


@dataclass(frozen=True, slots=True)
class Folder:
    """A group of the price list; its name begins with its number, by which pages sort."""

    id: int
    parent: int
    name: str


FOLDERS = (
    Folder(100481, 0, "1. Химчистка"),
    Folder(100482, 100481, "11. Верхняя одежда"),
    Folder(100483, 100481, "12. Костюмы / платья"),
    Folder(100484, 0, "2. Стирка, глажка"),
    Folder(100485, 100484, "21. Бельё"),
    Folder(100486, 0, "3. Разное: ковры, ремонт"),
    Folder(100489, 100486, "31. Ковры / ремонт"),
    Folder(100490, 0, "4. Товары"),
)
_BY_ID = {folder.id: folder for folder in FOLDERS}
_PLACES = (100482, 100482, 100485, 100483, 100489, 100485, 100485, 100489, 100489, 100483, 100483)
_GOODS = (("Чехол для одежды", "150"), ("Вешалка", "90"))
# What the documents name and nobody here has set.
_PLAIN = {
    "order_addon_pack_id": "1",
    "is_price_editable": "0",
    "is_not_for_discount": "0",
    "is_repair": "0",
    "is_percent_price": "0",
    "additional_text": "",
    "short_name": "",
    "image_id": "",
    "own_times": "0",
    "duration": "3",
}


def price_rows(writer: Writer, kind: str) -> list[Row]:
    """Return the items of a kind: `0` all, `1` goods, `2` services. Their `id` is a number, unlike all other ids."""
    return [
        _item(writer, number, folder, tovar_type, name, price)
        for number, (folder, tovar_type, name, price) in enumerate(_items())
        if kind in ("0", tovar_type)
    ]


def _items() -> Iterator[tuple[Folder, str, str, str]]:
    for place, (name, price) in zip(_PLACES, SERVICES, strict=True):
        yield _BY_ID[place], SERVICE, name, price
    for name, price in _GOODS:
        yield _BY_ID[100490], GOODS, name, price


def _item(writer: Writer, number: int, folder: Folder, tovar_type: str, name: str, price: str) -> Row:
    parent = _BY_ID.get(folder.parent)
    return {
        "id": 500 + number,
        "folder_id": str(folder.id),
        "tovar_type": tovar_type,
        "code": f"K{number + 1}",
        "name": name,
        "unit": "м²" if "м²" in name else "кг" if "кг" in name else "шт",
        "price": writer.money(kopecks(price)),
        "group_p": parent.name if parent else "",
        "group_c": folder.name,
        "top_parent": parent.name if parent else folder.name,
        "sort_index": str(number),
        "index": str(number),
        "price_id": RETAIL,
        **_PLAIN,
    }


def tree_rows() -> list[Row]:
    """Return the groups of the price list."""
    return [
        {
            "folder_id": str(folder.id),
            "parent": str(folder.parent),
            "name": folder.name,
            "duration": "3",
            "comm": "",
            "sort_index": str(number),
        }
        for number, folder in enumerate(FOLDERS)
    ]


_LIST = {"id": RETAIL, "description": "Розничная", "dt_begin": "01.01.2024", "dt_end": ""}
PRICE_LISTS: list[Row] = [_LIST | {"in_rasprod": "1", "is_contract": "0"}]
CENTERS: list[Row] = [
    {
        "id": "1",
        "name": "Приёмный пункт 1",
        "address": "ул. Ленина, 5",
        "working_hours": "09:00-21:00",
        "phone": "+74950000000",
        "group": "Москва",
        "location": "55.751244,37.618423",
        "cabinet": "0",
        "folder_id": "0",
        "name_for_clients": "На Ленина / у метро",
        "use_himinfo": "1",
        "city": "Москва",
        "comment": "",
        "metro": "Библиотека имени Ленина",
        "district_id": "",
        "working_days": "1111111",
        "is_work_shop": "0",
        "sclad_is_mobil": "0",
        "sclad_not_automated": "0",
        "photo": "",
        "sclad_type_id": "1",
    }
]
# Command -> the list's key and its rows, the same for every shop.
DIRECTORIES: dict[str, tuple[str, list[Row]]] = {
    "ReceptionCenters": ("list", CENTERS),
    "ContrTree": ("list", [{"folder_id": "0", "parent_id": "", "name": "Клиенты", "price_id": RETAIL}]),
    "Regions": ("regions", [{"id": "1002", "name": "Центральный"}]),
    "Cars": (
        "cars",
        [{"id": "2", "name": "Выездной пункт", "address": "", "phone": "+74950000000", "price_list_id": RETAIL}],
    ),
    "AddonTypes": (
        "addon_types",
        [
            {
                "id": "100245",
                "group_id": "1",
                "descr": "Цвет",
                "value_type": "1",
                "default_str": "",
                "comments": "",
                "multisel": "0",
                "addon_str_values": [{"id": "1", "value_str": "Чёрный / белый", "value_flt": "0"}],
            }
        ],
    ),
    "AddonPacks": ("addon_packs", [{"id": "1", "name": "Одежда", "addon_types": ["100245"]}]),
}
