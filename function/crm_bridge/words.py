"""Everything we tell people, in English and in Russian: the sentences of the answers and the words of the pages.

A phrase is found by its code. JSON is always in English; pages and CSV are in the language of their reader.
"""

from __future__ import annotations

LANGUAGES = ("en", "ru")

_NO_BREAK = "\u00a0"

PHRASES: dict[str, tuple[str, str]] = {
    # What kind of communication.
    "kind.call": ("call", "звонок"),
    "kind.chat": ("chat", "чат"),
    "kind.offline_message": ("site form", "заявка с сайта"),
    "communication": ("{kind} {id} of {at}", "{kind} {id} от {at}"),
    # How things stand (`Verdict`).
    "verdict.unknown_phone": (
        "No order of a client with this phone is in the database. {refreshed} An older order "
        "comes in with ?update_db&date_from=YYYY-MM-DD; otherwise see whether the client has this phone in the CRM.",
        "В базе нет заказов клиента с этим телефоном. {refreshed} Заказ постарше "
        "подтянется вызовом ?update_db&date_from=ГГГГ-ММ-ДД; иначе проверьте, тот ли телефон у клиента в CRM.",
    ),
    "verdict.not_asked": (
        "CoMagic could not be asked, so only what the database knows is told: {failure}",
        "CoMagic спросить не удалось, поэтому здесь только то, что есть в базе: {failure}",
    ),
    "verdict.not_shown": (
        "A run was cut while it changed the sale of this phone, and CoMagic does not show what became of it, so "
        "nothing is done about it: {failure}",
        "Запуск оборвался, меняя сделку этого телефона, а CoMagic не показывает, чем это кончилось, поэтому ничего "
        "не делается: {failure}",
    ),
    "verdict.marked": (
        "Marked: {amount} stands on {communication}. Nothing is left to do.",
        "Отмечен: {amount} стоит на обращении «{communication}». Делать ничего не нужно.",
    ),
    "verdict.mark_is_due": (
        "Not marked yet: the next run sets {amount} on {communication}.",
        "Ещё не отмечен: следующий запуск поставит {amount} на обращение «{communication}».",
    ),
    "verdict.change_is_due": (
        "Marked with {previous}: the next run replaces it by {amount} on {communication}.",
        "Отмечен суммой {previous}: следующий запуск заменит её на {amount} на обращении «{communication}».",
    ),
    "verdict.removal_is_due": (
        "All money has gone back: the next run takes {previous} off {communication}.",
        "Все деньги вернули: следующий запуск снимет {previous} с обращения «{communication}».",
    ),
    "verdict.nothing_paid": (
        "Nothing has been paid yet, so there is no sum to set.",
        "Ещё ничего не оплачено, ставить нечего.",
    ),
    "verdict.money_returned": (
        "All money has gone back, so there is no sum to set.",
        "Все деньги вернули, ставить нечего.",
    ),
    "verdict.no_contact": (
        "{amount} is paid, but CoMagic knows no communication of this phone since {since}. The client called from "
        "another number, or came without calling.",
        "Оплачено {amount}, но с {since} обращений с этого телефона в CoMagic нет. Клиент звонил с другого номера "
        "или пришёл без звонка.",
    ),
    "verdict.only_lost": (
        "{amount} is paid, but every call of this phone was lost, and a lost call bears no sale.",
        "Оплачено {amount}, но все звонки с этого телефона пропущены, а на пропущенный звонок сделка не ставится.",
    ),
    "verdict.only_too_old": (
        "{amount} is paid, but the communications of this phone began before {window}: COMAGIC_LOOKBACK_DAYS is "
        "{lookback}. Raise it to reach them.",
        "Оплачено {amount}, но обращения с этого телефона были раньше {window}: COMAGIC_LOOKBACK_DAYS = {lookback}. "
        "Увеличьте его, чтобы до них дотянуться.",
    ),
    "verdict.only_other_sources": (
        "{amount} is paid, but the client got in touch only in ways that COMAGIC_SOURCES leaves out: {kinds}. "
        "Add {sources} to it.",
        "Оплачено {amount}, но клиент обращался только так, как COMAGIC_SOURCES не читает: {kinds}. "
        "Добавьте туда {sources}.",
    ),
    "sale_without_sum": ("a sale without a sum", "сделкой без суммы"),
    # Why a communication bears the sale, or not (`Reason`).
    "reason.our_sale": ("our sale stands on it and stays there", "на нём стоит наша сделка, она там и останется"),
    "reason.our_place": (
        "our sale stood on it until somebody took it off, and goes back there",
        "на нём стояла наша сделка, её кто-то снял, она вернётся сюда",
    ),
    "reason.sale_by_hand": (
        "it bears a sale that somebody else set, so it is the one",
        "на нём сделка, которую поставил кто-то другой, поэтому оно и выбрано",
    ),
    "reason.under_way": (
        "a run was cut while it changed the sale of this one, and the next run completes it",
        "запуск оборвался на изменении этой сделки, следующий запуск её доделает",
    ),
    "reason.earliest": ("it is the earliest that counts", "самое раннее из тех, что считаются"),
    "reason.lost": ("lost: nobody answered", "пропущенный: никто не ответил"),
    "reason.too_old": (
        "too old: it began before {window} (COMAGIC_LOOKBACK_DAYS is {lookback})",
        "слишком старое: раньше {window} (COMAGIC_LOOKBACK_DAYS = {lookback})",
    ),
    "reason.not_a_source": (
        "COMAGIC_SOURCES leaves this kind out",
        "такие обращения не читаются: их нет в COMAGIC_SOURCES",
    ),
    "reason.other_sale": (
        "a further sale that somebody else set; it is left alone",
        "ещё одна сделка, которую поставил кто-то другой; её не трогаем",
    ),
    "reason.later": ("later than the one that bears the sale", "позже того, на котором стоит сделка"),
    "reason.no_sum": ("it would count, but there is no sum to set", "подошло бы, но ставить нечего"),
    # What else an admin should know (`Note`).
    "note.sales_off": (
        "CoMagic will refuse it: sales are switched off for the site {site}. Switch on the option "
        "«account sales» of this site in CoMagic.",
        "CoMagic откажет: у сайта {site} выключен учёт продаж. Включите его в CoMagic (account sales) у этого сайта.",
    ),
    "note.last_try_failed": (
        "The last try, {at}, failed: {error}. {hint}",
        "Последняя попытка, {at}, не удалась: {error}. {hint}",
    ),
    "note.cut_change": (
        "A run was cut in the middle of this change; the next run looks what became of it and completes it.",
        "Запуск оборвался посреди этого изменения; следующий запуск посмотрит, чем кончилось, и доделает.",
    ),
    "note.drifted": (
        "Our sale is no longer as we set it: somebody took it off or changed it, or its communication is gone. "
        "The next run puts it right.",
        "Наша сделка не такая, как мы её ставили: её сняли или изменили, или пропало само обращение. "
        "Следующий запуск это исправит.",
    ),
    "note.other_sales": (
        "Other communications of this phone bear sales that somebody else set; they stay as they are.",
        "На других обращениях с этого телефона стоят сделки, которые поставил кто-то другой; они останутся.",
    ),
    "note.out_of_sight": (
        "The communication that bears the sale is older than CoMagic was asked for; it is known from our own notes.",
        "Обращение, на котором стоит сделка, старше того, что спрошено у CoMagic; о нём известно из наших записей.",
    ),
    "note.just_changed": (
        "A run changed this sale less than a minute ago; CoMagic's reports may not show it yet.",
        "Запуск изменил эту сделку меньше минуты назад; отчёты CoMagic могли ещё не обновиться.",
    ),
    "note.run_in_progress": (
        "A run is going on right now, so this may change any moment: /runs/{run}",
        "Прямо сейчас идёт запуск, так что всё может измениться: /runs/{run}",
    ),
    "note.not_all_read": (
        "Three points did not reach for everything that a run reads, so the run may decide otherwise.",
        "Трёх баллов не хватило на всё, что читает запуск, поэтому он может решить иначе.",
    ),
    "note.called_after_paying": (
        "The client paid before getting in touch, so the sale is dated with the communication's own time.",
        "Клиент заплатил раньше, чем обратился, поэтому датой сделки будет время самого обращения.",
    ),
    # What can be done about a refusal.
    "error.tariff_restrictions": (
        "Switch on the option «account sales» of the site this communication came from.",
        "Включите учёт продаж (account sales) у сайта, с которого пришло обращение.",
    ),
    "error.forbidden": (
        "Give the key's user the right to manage tags (tag_management: update).",
        "Дайте пользователю ключа право управлять тегами (tag_management: update).",
    ),
    "error.unavailable": (
        "CoMagic did not answer; the next run looks what became of it.",
        "CoMagic не ответил; следующий запуск посмотрит, чем кончилось.",
    ),
    "error.bad_answer": (
        "CoMagic's answer could not be read; the next run looks what became of it.",
        "Ответ CoMagic не удалось прочитать; следующий запуск посмотрит, чем кончилось.",
    ),
    "error.other": ("The next run tries again.", "Следующий запуск попробует снова."),
    # /check_setup: hints of what to click or paste.
    "setup.settings": ("{reason}", "{reason}"),
    "setup.settings_missing": ("Set {names}.", "Задайте {names}."),
    "setup.crm_refused": (
        "The CRM refuses us: {reason}. Compare AGBIS_USER and AGBIS_PASSWORD with the user in Agbis.",
        "CRM нас не пускает: {reason}. Сверьте AGBIS_USER и AGBIS_PASSWORD с пользователем в Агбис.",
    ),
    "setup.crm_later": (
        "It cannot be told now: {reason}. Ask again a little later.",
        "Сейчас не узнать: {reason}. Спросите чуть позже.",
    ),
    "setup.crm_wrong": (
        "Something else than the CRM answers: {reason}. Compare AGBIS_URL with https://<host>/cl/<path>/api/.",
        "Отвечает не CRM: {reason}. Сверьте AGBIS_URL с образцом https://<хост>/cl/<путь>/api/.",
    ),
    "setup.token": (
        "CoMagic refuses the key: {reason}. Make a permanent Data API key for a user (user management, Data API "
        "access) and paste it into COMAGIC_TOKEN.",
        "CoMagic не принимает ключ: {reason}. Создайте бессрочный ключ Data API (Управление пользователями, Доступ к "
        "Data API) и вставьте его в COMAGIC_TOKEN.",
    ),
    "setup.account": (
        "The CoMagic account is blocked: {reason}. Ask CoMagic's support.",
        "Аккаунт CoMagic заблокирован: {reason}. Обратитесь в поддержку CoMagic.",
    ),
    "setup.comagic_away": (
        "CoMagic cannot be asked now: {reason}",
        "Сейчас CoMagic не спросить: {reason}",
    ),
    "setup.comagic_wrong": (
        "Something else than CoMagic answers: {reason}. Compare COMAGIC_URL with https://dataapi.comagic.ru/v2.0",
        "Отвечает не CoMagic: {reason}. Сверьте COMAGIC_URL с https://dataapi.comagic.ru/v2.0",
    ),
    "setup.rights": (
        "The key's user may not change tags. Give it the right to manage tags (tag_management: select and update).",
        "Пользователю ключа нельзя менять теги. Дайте ему право управлять тегами (tag_management: select и update).",
    ),
    "setup.ip": (
        "Add {address} to the allowed addresses: Administrator, Account, Rules and security settings, API.",
        "Добавьте {address} в разрешённые адреса: Администратор, Аккаунт, Правила и настройки безопасности, API.",
    ),
    "setup.tag": (
        "{reason}. The numbers of all tags are told by get.tags.",
        "{reason}. Номера всех тегов сообщает get.tags.",
    ),
    "setup.sites": (
        "Sales are switched off for {sites}: CoMagic refuses sales on their communications. Switch on the option "
        "«account sales» of each.",
        "Учёт продаж выключен у сайтов: {sites}. На обращения с них CoMagic сделки не примет. Включите у каждого "
        "учёт продаж (account sales).",
    ),
    "setup.no_sites": (
        "The account has no site, so CoMagic may refuse every sale.",
        "В аккаунте нет ни одного сайта, CoMagic может отказать в любой сделке.",
    ),
    "setup.zone": (
        "The account lives in {zone}, we read its times in {ours}. Set TIME_ZONE={zone}, or change it in CoMagic.",
        "Аккаунт живёт в {zone}, а мы читаем его время в {ours}. Задайте TIME_ZONE={zone} или смените зону в CoMagic.",
    ),
    "setup.zone_unknown": (
        "CoMagic does not tell the account's time zone in a way we know: {zone}. Compare it with TIME_ZONE={ours}.",
        "CoMagic не сообщил понятный часовой пояс аккаунта: {zone}. Сверьте его с TIME_ZONE={ours}.",
    ),
    "setup.quota": (
        "{left} points of the day are left; they are filled up again in {hours} h. More are to be had under the "
        "account's rates and options.",
        "Баллов на сегодня осталось {left}; лимит обновится через {hours} ч. Увеличить его можно в тарифах и опциях.",
    ),
    "setup.quota_left": ("{left} points of the day are left.", "Баллов на сегодня осталось {left}."),
    "setup.quota_untold": ("CoMagic does not tell its limits.", "CoMagic не сообщает лимиты."),
    "setup.database": (
        "The database cannot be read: {reason}. Look at STORE_URL and at the rights of this service.",
        "Базу не прочитать: {reason}. Проверьте STORE_URL и права этого сервиса.",
    ),
    "setup.never_refreshed": (
        "The CRM has not been read yet: call /?update_db once.",
        "CRM ещё не читали: один раз вызовите /?update_db.",
    ),
    "setup.refreshed": ("The CRM was last read {at}.", "CRM последний раз прочитана {at}."),
    "setup.skipped": ("Not checked, because {name} comes first.", "Не проверено: сначала исправьте «{name}»."),
    "setup.untold": ("It could not be checked: {reason}", "Проверить не удалось: {reason}"),
    "check.settings": ("Settings", "Настройки"),
    "check.database": ("Database", "База данных"),
    "check.crm_login": ("CRM login", "Вход в CRM"),
    "check.comagic_token": ("CoMagic key", "Ключ CoMagic"),
    "check.ip_whitelist": ("CoMagic admits our address", "Наш адрес разрешён в CoMagic"),
    "check.comagic_rights": ("Right to change tags", "Право менять теги"),
    "check.sale_tag": ("Tag «Продажа»", "Тег «Продажа»"),
    "check.sites": ("Sales of the sites", "Учёт продаж у сайтов"),
    "check.time_zone": ("Time zone", "Часовой пояс"),
    "check.quota": ("CoMagic quota", "Лимит CoMagic"),
    # Results of a phone.
    "result.applied": ("applied", "проставлено"),
    "result.updated": ("updated", "обновлено"),
    "result.problem": ("already set", "уже стоит"),
    "result.removed": ("removed", "снято"),
    "result.not_found": ("not found", "не найдено"),
    "result.nothing_paid": ("nothing paid", "не оплачено"),
    "result.failed": ("failed", "не удалось"),
    "result.deferred": ("deferred", "отложено"),
    "result.would_be_applied": ("would be applied", "будет проставлено"),
    "result.would_be_updated": ("would be updated", "будет обновлено"),
    "result.would_be_problem": ("already set", "уже стоит"),
    "result.would_be_removed": ("would be removed", "будет снято"),
    "result.would_be_not_found": ("not found", "не найдено"),
    "result.would_be_nothing_paid": ("nothing paid", "не оплачено"),
    "result.would_be_failed": ("would fail", "не удастся"),
    "result.would_be_deferred": ("would be deferred", "будет отложено"),
    # Runs.
    "status.running": ("going on", "идёт"),
    "status.succeeded": ("succeeded", "успешно"),
    "status.failed": ("failed", "ошибка"),
    "status.interrupted": ("interrupted", "оборвался"),
    "phase.refreshing": ("reading orders from the CRM (windows)", "читает заказы из CRM (окна)"),
    "phase.looking_up": ("asking the CRM for clients", "спрашивает клиентов в CRM"),
    "phase.reading": ("reading communications", "читает обращения"),
    "phase.applying": ("changing sales", "проставляет сделки"),
    "run.starting": ("has just begun", "только начался"),
    "run.of": ("{done} of {total}", "{done} из {total}"),
    "run.interrupted": (
        "Its process was ended before it could finish. The next run goes on where it stopped.",
        "Процесс завершили раньше, чем запуск закончился. Следующий запуск продолжит с этого места.",
    ),
    "run.no_journal": ("This run left no journal.", "Журнала у этого запуска нет."),
    "run.figures": (
        "applied {tags_applied}, updated {tags_removed_updated}, removed {tags_removed}; already set {problem}, "
        "not found {not_found}, failed {failed}, deferred {deferred}",
        "проставлено {tags_applied}, обновлено {tags_removed_updated}, снято {tags_removed}; уже стояло {problem}, "
        "не найдено {not_found}, не удалось {failed}, отложено {deferred}",
    ),
    "run.plain": ("apply sales", "проставить сделки"),
    "none_yet": ("There has been no run yet.", "Запусков ещё не было."),
    # Headings and labels of the pages.
    "title.journal": ("Journal", "Журнал"),
    "title.dry_run": ("Dry run: nothing has been changed", "Проба: ничего не изменено"),
    "title.runs": ("Runs", "Запуски"),
    "title.explain": ("Why is this client not marked?", "Почему клиент не отмечен?"),
    "title.setup": ("Is it set up right?", "Всё ли настроено?"),
    "title.error": ("That did not work", "Не получилось"),
    "nav.runs": ("Runs", "Запуски"),
    "nav.explain": ("A client", "Клиент"),
    "nav.setup": ("Setup", "Настройка"),
    "nav.label": ("Pages", "Страницы"),
    "setup.all_hold": ("Everything holds.", "Всё в порядке."),
    "setup.some_fail": ("To be put right: {count}", "Нужно исправить: {count}"),
    "label.run": ("Run", "Запуск"),
    "label.started": ("Started", "Начат"),
    "label.when": ("When", "Когда"),
    "label.finished": ("Finished", "Закончен"),
    "label.status": ("Status", "Состояние"),
    "label.asked": ("Asked for", "Параметры"),
    "label.message": ("Message", "Итог"),
    "label.phone": ("Phone", "Телефон"),
    "label.communication": ("Communication", "Обращение"),
    "label.type": ("Kind", "Вид"),
    "label.result": ("Result", "Результат"),
    "label.amount": ("Sum", "Сумма"),
    "label.previous": ("Before", "Было"),
    "label.date": ("Date", "Дата"),
    "label.comment": ("Services", "Услуги"),
    "label.remark": ("Remarks", "Примечания"),
    "label.points": ("Points", "Баллы"),
    "label.sale_id": ("Sale no.", "№ сделки"),
    "label.error": ("Error", "Ошибка"),
    "label.check": ("Check", "Проверка"),
    "label.hint": ("What to do", "Что сделать"),
    "label.ok": ("holds", "в порядке"),
    "label.not_ok": ("to be put right", "исправить"),
    "label.show": ("Show", "Показать"),
    "label.search": ("Phone, services or number contain", "Телефон, услуги или номер содержат"),
    "label.sort": ("Sort by", "Упорядочить"),
    "label.all": ("all results", "все результаты"),
    "label.shown": ("Rows shown: {shown} of {total}", "Показано строк: {shown} из {total}"),
    "label.csv": ("Download as CSV", "Скачать CSV"),
    "label.money": ("Money, roubles", "Деньги, рубли"),
    "label.balanced": ("The sums add up to the kopeck.", "Сошлось до копейки."),
    "label.unbalanced": (
        "The sums do NOT add up. This is a fault of ours: please report it with the run's number.",
        "Суммы НЕ сошлись. Это наша ошибка: сообщите о ней с номером запуска.",
    ),
    "label.per_day": ("Sums by day of payment", "Суммы по дням оплаты"),
    "label.found": ("Found and not found", "Найдено и не найдено"),
    "label.found_part": ("found: {count}", "найдено: {count}"),
    "label.not_found_part": ("not found: {count}", "не найдено: {count}"),
    "label.cost": (
        "Its cost in CoMagic points: {points}; left today: {left}.",
        "Стоимость в баллах CoMagic: {points}; осталось на сегодня: {left}.",
    ),
    "label.cost_only": ("Its cost in CoMagic points: {points}.", "Стоимость в баллах CoMagic: {points}."),
    "label.incomplete": (
        "Not complete: the next run goes on.",
        "Не всё: следующий запуск продолжит.",
    ),
    "label.warnings": ("Warnings", "Предупреждения"),
    "label.ask": ("Tell", "Показать"),
    "label.phone_hint": ("in any usual spelling", "в любом привычном виде"),
    "label.orders": ("Orders and payments", "Заказы и оплаты"),
    "label.order": ("Order", "Заказ"),
    "label.services": ("Services", "Услуги"),
    "label.paid": ("Paid", "Оплачено"),
    "label.returned": ("Returned", "Возвращено"),
    "label.net": ("Net", "Итого"),
    "label.total": ("Sum of the phone", "Сумма телефона"),
    "label.communications": ("Communications", "Обращения"),
    "label.why": ("Why", "Почему"),
    "label.stands": ("Sale there", "Сделка на нём"),
    "label.chosen": ("the one", "выбрано"),
    "label.history": ("What runs did", "Что делали запуски"),
    "label.next": ("What the next run would do", "Что сделает следующий запуск"),
    "label.no_orders": ("No orders.", "Заказов нет."),
    "label.no_communications": ("No communications since {since}.", "Обращений с {since} нет."),
    "label.no_history": ("No run has changed its sale yet.", "Запуски её сделку ещё не меняли."),
    "label.asked_since": (
        "CoMagic was asked back to {since}; a run looks back to {window}.",
        "У CoMagic спрошено с {since}; запуск смотрит с {window}.",
    ),
    "label.refresh": (
        "From the CRM: {orders} orders read, {phones} phones changed, {without} orders without a usable phone",
        "Из CRM: прочитано заказов: {orders}, изменилось телефонов: {phones}, заказов без годного телефона: {without}",
    ),
    "money.total": ("In the database", "В базе"),
    "money.applied": ("applied", "проставлено"),
    "money.updated": ("updated", "обновлено"),
    "money.already_set": ("already set", "уже стояло"),
    "money.not_found": ("not found", "не найдено"),
    "money.failed": ("failed", "не удалось"),
    "money.deferred": ("deferred", "отложено"),
    "sort.phone": ("phone", "телефону"),
    "sort.-amount": ("sum, largest first", "сумме, сначала большие"),
    "sort.amount": ("sum, smallest first", "сумме, сначала малые"),
    "sort.-date": ("date, newest first", "дате, сначала новые"),
    "sort.date": ("date, oldest first", "дате, сначала старые"),
    "sort.result": ("result", "результату"),
    "remark.other_sales": ("other sales: {ids}", "другие сделки: {ids}"),
    "remark.drifted": ("put right after a change by hand", "возвращено после ручной правки"),
    "remark.repaired": ("completes a run that was cut", "доделано за оборванным запуском"),
    "replayed": (
        "The same Scheduler tick was delivered again; this is what it was answered.",
        "Тот же вызов планировщика пришёл повторно; это его прежний ответ.",
    ),
}


class Words:
    """The phrases of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._column = LANGUAGES.index(language)

    def __call__(self, code: str, **values: object) -> str:
        """Say a phrase; its braces are filled with the values."""
        return PHRASES[code][self._column].format(**values)

    def error_hint(self, error: str) -> str:
        """Say what can be done about a refusal that CoMagic names by this code."""
        code = f"error.{error}"
        return self(code if code in PHRASES else "error.other")

    def money(self, roubles: str) -> str:
        """Write a sum, given with two decimals, as the language does: `12800.50` -> `12 800,50 ₽`."""
        whole, _, kopecks = roubles.partition(".")
        sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        grouped = f"{int(digits):,}"
        if self.language == "ru":
            grouped = grouped.replace(",", _NO_BREAK)
            return f"{sign}{grouped},{kopecks}{_NO_BREAK}₽"
        return f"{sign}₽{grouped}.{kopecks}"


def best_language(header: str) -> str:
    """Choose a language by an `Accept-Language` header; English when neither of ours is asked for."""
    best, best_weight = "en", 0.0
    for item in header.split(","):
        name, _, parameters = item.strip().partition(";")
        language = name.strip().lower().partition("-")[0]
        weight = quality(parameters)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def quality(parameters: str) -> float:
    """Read the `q` of one item of an Accept header; 1 when there is none, 0 when it cannot be read."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
