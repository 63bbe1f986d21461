"""Names, services and the ways people spell their phones. No number here belongs to anybody we know of."""

import random

_WOMEN = ("Мария", "Анна", "Елена", "Ольга", "Наталья", "Ирина", "Светлана", "Екатерина")
_MEN = ("Иван", "Сергей", "Алексей", "Дмитрий", "Андрей", "Михаил", "Павел", "Николай")
_SURNAMES = ("Иванов", "Смирнов", "Кузнецов", "Попов", "Соколов", "Лебедев", "Новиков", "Морозов", "Волков")

# Names come untidy from price lists: spaces, quotes, internal prefixes.
SERVICES = [
    ("Химчистка пальто", "2800.50"),
    ("Химчистка пуховика", "2450"),
    ("Стирка пуховика", "1500"),
    ("Химчистка костюма (двойка)", "1980.90"),
    ("Чистка ковра, м²", "3640"),
    ("Стирка белья  прямого, кг", "420.30"),
    ("Глажка рубашки", "180"),
    ("Покраска кожи", "5200"),
    ("Ремонт молнии", "750"),
    ("Химчистка «Свадебное платье»", "7900"),
    ("А Пиджак", "990.99"),
]
TAGS = ("Нецелевой контакт", "Повторный клиент", "Жалоба")
GARBAGE = ("", "нет", "12345", "без телефона", "+7999", "-")

_PREFIXES = {"mobile": "7999", "landline": "7495", "belarus": "37529", "kazakhstan": "7701"}


def full_name(rng: random.Random) -> str:
    """Return a Russian name."""
    surname = rng.choice(_SURNAMES)
    if rng.random() < 0.5:
        return f"{surname}а {rng.choice(_WOMEN)}"
    return f"{surname} {rng.choice(_MEN)}"


def digits_of(kind: str, number: int) -> str:
    """Return a phone as E.164 digits."""
    base = 1_000_000 if kind == "belarus" else 0
    return f"{_PREFIXES[kind]}{base + number:07d}"


def spell(phone: str, rng: random.Random) -> str:
    """Write a phone in one of the ways in which people type phones."""
    if phone.startswith("375"):
        return rng.choice([f"+{phone}", f"+375 ({phone[3:5]}) {phone[5:8]}-{phone[8:10]}-{phone[10:]}"])
    if not phone:
        return ""
    area, a, b, c = phone[1:4], phone[4:7], phone[7:9], phone[9:11]
    if phone.startswith("77"):
        return rng.choice([f"+{phone}", f"+7 {area} {a} {b} {c}", phone])
    return rng.choice(
        [
            f"+{phone}",
            f"+{phone}",
            f"8{phone[1:]}",
            phone,
            phone[1:],
            f"+7 ({area}) {a}-{b}-{c}",
            f"8({area}){a}{b}{c}",
            f"8 {area} {a} {b} {c}",
        ]
    )
