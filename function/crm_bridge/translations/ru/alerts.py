"""Alerts, in Russian: the messages of `en/alerts.py`, line by line."""

MESSAGES = {
    "alert_title.begun": "crm-bridge: требуется внимание",
    "alert_title.over": "crm-bridge: снова в порядке",
    "alert_title.test": "crm-bridge: проверка связи",
    "alert.run_failed": "Запуск не удался: {reason}. Пока запуски не удаются, продажи не попадают в CoMagic. Следующий запуск попробует снова сам; подробности на страницах /runs и /check_setup.",
    "alert.guard_stopped": "{reason}. Ничего не изменено. Посмотрите, что было бы сделано (/?dry_run&log=changes), и подтверждайте, только если всё верно.",
    "alert.run_incomplete": "Запуск выполнен не полностью, отложено изменений: {deferred}. Не хватило времени или лимита CoMagic либо CoMagic показал слишком мало сделок. Следующий запуск продолжит сам; подробности на странице /runs.",
    "alert.run_unbalanced": "Суммы запуска не сходятся: деньги в базе и в журнале различаются. Посмотрите последний запуск на странице /runs.",
    "alert.orders_unreadable": "Не удаётся прочитать заказы CRM, всего: {count}. Их последние суммы не учтены. Номера заказов и причины — на странице /check_setup.",
    "alert.run_missing": "Полных запусков не было с {since}. Проверьте, что расписание включено и машина работала.",
    "alert.test": "Оповещения доходят.",
    "alert_over.run_failed": "Запуски снова удаются.",
    "alert_over.guard_stopped": "Защита больше не останавливает запуски.",
    "alert_over.run_incomplete": "Запуск выполнен полностью, ничего не отложено.",
    "alert_over.run_unbalanced": "Суммы снова сходятся.",
    "alert_over.orders_unreadable": "Все заказы CRM снова читаются.",
    "alert_over.run_missing": "Полный запуск выполнен.",
}
