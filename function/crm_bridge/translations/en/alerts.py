"""Alerts, in English."""

MESSAGES = {
    "alert_title.begun": "crm-bridge: attention is needed",
    "alert_title.over": "crm-bridge: all right again",
    "alert_title.test": "crm-bridge: a test",
    "alert.run_failed": "A run has failed: {reason}. Until a run succeeds, sales do not get into CoMagic. The next one tries by itself; see /runs and /check_setup.",
    "alert.guard_stopped": "{reason}. Nothing was changed. See what a dry run would do (/?dry_run&log=changes), and confirm only if it is right.",
    "alert.run_incomplete": "A run was not complete: changes left for the next run: {deferred}. Time or CoMagic's quota was not enough, or CoMagic showed too few sales. The next run goes on by itself; see /runs.",
    "alert.run_unbalanced": "The sums of a run do not add up: the money of the database and the money of the journal differ. See the last run in /runs.",
    "alert.orders_unreadable": "Orders of the CRM that cannot be read: {count}. Their latest sums are not counted. /check_setup names them and what is wrong with each.",
    "alert.run_missing": "No full run has ended since {since}. Check that the schedule is on and the machine has been running.",
    "alert.test": "Alerts arrive.",
    "alert_over.run_failed": "Runs succeed again.",
    "alert_over.guard_stopped": "The guard does not stop runs any more.",
    "alert_over.run_incomplete": "A run was complete: nothing is left over.",
    "alert_over.run_unbalanced": "The sums add up again.",
    "alert_over.orders_unreadable": "All orders of the CRM can be read again.",
    "alert_over.run_missing": "A full run has ended.",
}
