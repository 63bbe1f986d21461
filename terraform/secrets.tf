locals {
  secrets = { for key, secret in {
    COMAGIC_TOKEN    = { reader = "sync", version = var.secret_versions.comagic_token }
    AGBIS_PASSWORD   = { reader = "sync", version = var.secret_versions.agbis_password }
    EXCHANGE_API_KEY = { reader = "exchange", version = var.secret_versions.exchange_api_key }
    SYNC_API_KEY     = { reader = "sync", version = var.secret_versions.sync_api_key }
    ALERT_URLS       = { reader = "sync", version = var.secret_versions.alert_urls }
  } : key => secret if secret.version > 0 }

  secret_values = {
    COMAGIC_TOKEN    = var.comagic_token
    AGBIS_PASSWORD   = var.agbis_password
    EXCHANGE_API_KEY = var.exchange_api_key
    SYNC_API_KEY     = var.sync_api_key
    ALERT_URLS       = var.alert_urls
  }
}

resource "google_secret_manager_secret" "main" {
  for_each = local.secrets

  project   = var.project_id
  secret_id = "${var.name}-${replace(lower(each.key), "_", "-")}"
  labels    = local.labels

  replication {
    auto {}
  }

  depends_on = [time_sleep.apis]
}

resource "google_secret_manager_secret_version" "main" {
  for_each = local.secrets

  project = var.project_id
  secret  = google_secret_manager_secret.main[each.key].id
  # Sent and forgotten: in no state. Since 7.42 the provider refuses a null in every command; an empty text is sent only
  # where the version is new, and Google then says that the payload is required.
  secret_data_wo         = local.secret_values[each.key] == null ? "" : local.secret_values[each.key]
  secret_data_wo_version = each.value.version
  deletion_policy        = "DISABLE" # an old value can be enabled again for as long as its secret lives

  lifecycle {
    create_before_destroy = true # the function moves to the new version before the old one goes
  }
}

resource "google_secret_manager_secret_iam_member" "main" {
  for_each = local.secrets

  project   = var.project_id
  secret_id = google_secret_manager_secret.main[each.key].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.main[each.value.reader].member
}

# Cloud Scheduler reads no secrets: its jobs hold the key of sync themselves. It is read back for them, so that later applies
# need no value, and so stands in the state.
data "google_secret_manager_secret_version_access" "sync_api_key" {
  for_each = { for key, secret in local.secrets : key => secret if key == "SYNC_API_KEY" }

  project = var.project_id
  secret  = google_secret_manager_secret.main[each.key].secret_id
  version = google_secret_manager_secret_version.main[each.key].version
}
