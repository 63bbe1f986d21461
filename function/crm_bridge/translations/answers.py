"""The sentences of the answers: how a client stands and why, and what to do about it. English, Russian."""

from __future__ import annotations

ANSWERS: dict[str, tuple[str, str]] = {
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
}
