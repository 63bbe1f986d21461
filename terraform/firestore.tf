# Phones, clients, orders, sales, runs and state. Terraform never deletes it.
resource "google_firestore_database" "main" {
  project                           = var.project_id
  name                              = local.databases.sync
  location_id                       = var.region
  type                              = "FIRESTORE_NATIVE"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  deletion_policy                   = "ABANDON"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  depends_on                        = [time_sleep.apis]
}

# Its changes can be undone for seven days (point_in_time_recovery_enablement); a backup is there for two weeks.
resource "google_firestore_backup_schedule" "main" {
  project   = var.project_id
  database  = google_firestore_database.main.name
  retention = "1209600s"

  daily_recurrence {}
}

# Cards of callers, each for an hour: a database of its own, because Google gives rights by database, not by collection.
resource "google_firestore_database" "cards" {
  project                 = var.project_id
  name                    = local.databases.exchange
  location_id             = var.region
  type                    = "FIRESTORE_NATIVE"
  delete_protection_state = "DELETE_PROTECTION_DISABLED"
  deletion_policy         = "DELETE"
  depends_on              = [google_firestore_database.main] # the first database of a project has the free quota
}

# Firestore deletes these within a day after `expires_at`; until then the code does not show them. Never queried: no index.
resource "google_firestore_field" "expires_at" {
  for_each = {
    runs  = google_firestore_database.main.name
    cards = google_firestore_database.cards.name
  }

  project    = var.project_id
  database   = each.value
  collection = each.key
  field      = "expires_at"

  ttl_config {}
  index_config {}

  # A deleted setting would be undone on the database that stays: journals would never expire.
  deletion_policy = "ABANDON"
}

# Large, and never queried: an index on each of their leaves would be paid for at every write. All queries of the code are on
# one field, so there is no composite index either.
resource "google_firestore_field" "unindexed" {
  for_each = toset([
    "orders.deal", "orders.deal_refusal", "orders.payments", "orders.services", "phones.comment", "phones.intent",
    "phones.other_phones", "phones.sale", "runs.part", "sales.comment", "state.sent",
  ])

  project    = var.project_id
  database   = google_firestore_database.main.name
  collection = split(".", each.value)[0]
  field      = split(".", each.value)[1]

  index_config {}

  deletion_policy = "ABANDON"
}

# Whose sale stands on a communication: a run of one phone asks for it. Of the two unindexed maps these leaves alone.
resource "google_firestore_field" "communication" {
  for_each = toset(["intent.id", "sale.id"])

  project    = var.project_id
  database   = google_firestore_database.main.name
  collection = "phones"
  field      = each.value

  deletion_policy = "ABANDON" # the database stays: to clear its indexes again fails, as for the fields above

  index_config {
    indexes {
      order       = "ASCENDING"
      query_scope = "COLLECTION"
    }
  }
  depends_on = [google_firestore_field.unindexed]
}
