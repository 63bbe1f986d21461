locals {
  jobs = {
    daily = {
      description = "Reads the CRM, then applies the sales."
      path        = "/?update_db"
      schedule    = var.daily_schedule
      retries     = 5 # 2, 4, 8, 16 and 30 minutes: outlasts an hour without CoMagic or the CRM
    }
    hourly = {
      description = "Applies what the last run left."
      path        = "/"
      schedule    = var.hourly_schedule
      retries     = 2 # the next one comes within the hour anyway
    }
  }
}

# A tick delivered twice is answered with the first one's journal, and a run on top of another with 409: to repeat is safe.
resource "google_cloud_scheduler_job" "main" {
  for_each = local.jobs

  project          = var.project_id
  region           = var.region
  name             = "${var.name}-${each.key}"
  description      = each.value.description
  schedule         = each.value.schedule
  time_zone        = var.time_zone
  paused           = var.schedule_paused
  attempt_deadline = "1800s" # the most there is; a run ends by itself before it

  retry_config {
    retry_count = each.value.retries
    # Scheduler does not read Retry-After. Two minutes are longer than what the function asks for after a 409 (the lease of
    # a run that died, 60 s) or a 503 (CoMagic's minute, the CRM's two minutes between logins).
    min_backoff_duration = "120s"
    max_backoff_duration = "1800s"
    max_doublings        = 4
  }

  http_target {
    http_method = "GET"
    uri         = "${google_cloudfunctions2_function.sync.service_config[0].uri}${each.value.path}"
    headers     = { for version in data.google_secret_manager_secret_version_access.sync_api_key : "X-API-Key" => version.secret_data }

    oidc_token {
      service_account_email = google_service_account.main["scheduler"].email
      audience              = google_cloudfunctions2_function.sync.service_config[0].uri # by default it has the query, and Cloud Run refuses it
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.scheduler]
}
