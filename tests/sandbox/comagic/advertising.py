"""Where the visitors of the account's sites come from, and who answers them. All made up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Campaign:
    """An advertising campaign, or what brings visitors without one.

    Attributes:
        share: How many of twenty visitors it brings.
        costs: Roubles so far.
    """

    id: int
    name: str
    kind: str
    engine: str | None
    channel: str
    share: int
    source: str | None = None
    medium: str | None = None
    label: str | None = None
    referrer_domain: str | None = None
    search_engine: str | None = None
    phrases: tuple[str, ...] = ()
    costs: int = 0


CAMPAIGNS = (
    Campaign(30001, "Посетители без рекламной кампании", "system", None, "direct", 4),
    Campaign(
        *(30002, "Химчистка: поиск", "integrated", "yandex.direct", "paid", 6, "yandex", "cpc", "himchistka_poisk"),
        referrer_domain="yandex.ru",
        search_engine="Яндекс",
        phrases=("химчистка пальто", "химчистка рядом", "чистка пуховика цена"),
        costs=41250,
    ),
    Campaign(
        *(30003, "Химчистка: поиск Google", "integrated", "google.adwords", "paid", 2, "google", "cpc", "dry_cleaning"),
        referrer_domain="google.com",
        search_engine="Google",
        phrases=("химчистка ковров", "химчистка на дому"),
        costs=9800,
    ),
    Campaign(
        *(30004, "ВКонтакте: лето", "integrated", "vk.ads", "social", 3, "vk", "cpm", "leto_2026"),
        referrer_domain="vk.com",
        costs=15000,
    ),
    Campaign(
        *(30005, "Поисковые системы", "basic", None, "organic", 5),
        referrer_domain="yandex.ru",
        search_engine="Яндекс",
        phrases=("чистка одежды", "химчистка отзывы"),
    ),
)
# A communication falls to a campaign by a number derived from its id, in proportion to the shares.
BY_SHARE = tuple(campaign for campaign in CAMPAIGNS for _ in range(campaign.share))

EMPLOYEES = (
    (2310, "Анна", "Смирнова", "Петровна", "79035550101"),
    (2311, "Олег", "Кузнецов", "Игоревич", "79035550102"),
    (2312, "Мария", "Соколова", "Андреевна", "79035550103"),
)
SCENARIO = (14101, "Приём звонков")
VIRTUAL_PHONE = "74950000000"
OPERATOR_LINE = "0110"
GROUP = (801, "Приём заказов")
CITIES = (("Москва", "Москва"), ("Химки", "Московская область"), ("Тула", "Тульская область"))
REGIONS = ((77, "г. Москва и Московская область"), (78, "г. Санкт-Петербург"), (71, "Тульская область"))
DEVICES = ("desktop", "mobile", "mobile", "tablet")
PAGES = ("", "price/", "services/coats/", "contacts/")


def full_name(employee: tuple[int, str, str, str, str]) -> str:
    """Return surname, name and patronymic."""
    return f"{employee[2]} {employee[1]} {employee[3]}"
