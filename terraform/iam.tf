# Four accounts, each with the least it needs. Members are added one by one: nobody else's rights are touched.
resource "google_service_account" "main" {
  for_each = {
    sync      = "runs sync"
    exchange  = "runs exchange"
    scheduler = "calls sync"
    build     = "builds both functions"
  }

  project      = var.project_id
  account_id   = "${var.name}-${each.key}"
  display_name = "${var.name}: ${each.value}"
  depends_on   = [time_sleep.apis]
}

# Each function gets one database. exchange, which strangers may reach, so cannot see a phone, a sum or a run.
resource "google_project_iam_member" "database" {
  for_each = local.databases

  project = var.project_id
  role    = "roles/datastore.user"
  member  = google_service_account.main[each.key].member

  condition {
    title      = "${each.value} only"
    expression = "resource.name == \"projects/${var.project_id}/databases/${each.value}\""
  }
}

resource "google_project_iam_member" "build_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.main["build"].member
}

# Google copies the source to a bucket of its own before the build, and makes it at the first one: a right on the bucket
# itself could not be given earlier.
resource "google_project_iam_member" "build_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.main["build"].member

  condition {
    title      = "sources of functions only"
    expression = <<-EOT
      resource.type == "storage.googleapis.com/Object" && (
        resource.name.startsWith("projects/_/buckets/gcf-v2-sources-") ||
        resource.name.startsWith("projects/_/buckets/gcf-v2-uploads-")
      )
    EOT
  }
}

resource "google_artifact_registry_repository_iam_member" "build_image" {
  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.main.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.main["build"].member
}

# A new account, and a right newly given, are not known everywhere at once; a build that is too early fails.
resource "time_sleep" "grants" {
  create_duration = "60s"

  depends_on = [
    google_artifact_registry_repository_iam_member.build_image,
    google_project_iam_member.build_logs,
    google_project_iam_member.build_source,
    google_project_iam_member.database,
    google_secret_manager_secret_iam_member.main,
  ]
}

# The right to call belongs to the Cloud Run service behind a function; one on the function itself admits nobody. A function
# that is made again is a new service without members, so they follow its id, which a mere deployment keeps.
resource "google_cloud_run_v2_service_iam_member" "scheduler" {
  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.sync.name
  role     = "roles/run.invoker"
  member   = google_service_account.main["scheduler"].member

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.sync.id]
  }
}

resource "google_cloud_run_v2_service_iam_member" "admins" {
  for_each = var.admins

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.sync.name
  role     = "roles/run.invoker"
  member   = each.value

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.sync.id]
  }
}

# `gcloud run services proxy`, which shows the pages in a browser, looks at the service before it calls it.
resource "google_cloud_run_v2_service_iam_member" "viewers" {
  for_each = var.admins

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.sync.name
  role     = "roles/run.viewer"
  member   = each.value

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.sync.id]
  }
}

resource "google_cloud_run_v2_service_iam_member" "exchange_callers" {
  for_each = var.exchange_callers

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.exchange.name
  role     = "roles/run.invoker"
  member   = each.value

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.exchange.id]
  }
}

resource "google_cloud_run_v2_service_iam_member" "exchange_public" {
  count = var.exchange_public ? 1 : 0

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.exchange.name
  role     = "roles/run.invoker"
  member   = "allUsers"

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.exchange.id]

    precondition {
      condition     = var.secret_versions.exchange_api_key > 0
      error_message = "exchange_public needs a key: give exchange_api_key, and set it to 1 in secret_versions."
    }
  }
}
