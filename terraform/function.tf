# One source, deployed twice.
locals {
  runtime = "python312" # deprecated on 2028-10-02

  build_environment = {
    GOOGLE_FUNCTION_SOURCE = "function/main.py"
    # The build dates all files back to 1980, after it has compiled them: bytecode with time stamps is then stale, and each
    # start compiles anew (30 ms instead of 10). With this variable Python compares contents instead of time stamps.
    SOURCE_DATE_EPOCH = "315532801"
  }

  # What is no setting of ours. gunicorn puts its control socket here; its other choice is a home that may be read-only.
  server_environment = {
    XDG_RUNTIME_DIR = "/tmp"
  }
}

resource "google_cloudfunctions2_function" "sync" {
  #checkov:skip=CKV_GCP_124:admins call it from outside; Google checks their identity token before the code runs
  project     = var.project_id
  name        = "${var.name}-sync"
  location    = var.region
  description = "Carries sales from the CRM into CoMagic."
  labels      = local.labels

  build_config {
    runtime               = local.runtime
    entry_point           = "sync"
    service_account       = google_service_account.main["build"].id
    docker_repository     = google_artifact_registry_repository.main.id
    environment_variables = local.build_environment
    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    # A million calls of a month, of a few hundred bytes each, are held at once.
    available_memory = "2Gi"
    available_cpu    = "1"
    # Longer than Scheduler waits (1800 s), so that a slow last call is never cut off half-way.
    timeout_seconds = 3600
    # One instance, because there is only one run at a time; the lease in the database ensures that, since a new revision
    # overlaps the old one. A few requests at once, so that during a run the next caller gets its 409 and an admin can
    # use /runs and /explain: with one at a time Cloud Run would let them wait, then answer 429 by itself.
    max_instance_count               = 1
    max_instance_request_concurrency = 4
    ingress_settings                 = "ALLOW_ALL"
    service_account_email            = google_service_account.main["sync"].email
    environment_variables            = merge(local.server_environment, { for key, value in local.environment.sync : key => value if value != null })

    dynamic "secret_environment_variables" {
      for_each = { for key, secret in local.secrets : key => secret if secret.reader == "sync" }
      content {
        key        = secret_environment_variables.key
        project_id = var.project_id
        secret     = google_secret_manager_secret.main[secret_environment_variables.key].secret_id
        version    = google_secret_manager_secret_version.main[secret_environment_variables.key].version
      }
    }

    # All traffic: by default only private addresses go through the network, and CoMagic would see a stranger. A null here
    # means "keep what stands", and Google refuses that beside a connector.
    direct_vpc_egress = var.egress == "direct" ? "VPC_EGRESS_ALL_TRAFFIC" : ""
    dynamic "direct_vpc_network_interface" {
      for_each = var.egress == "direct" ? [1] : []
      content {
        network    = google_compute_network.main[0].name
        subnetwork = google_compute_subnetwork.main["direct"].name
      }
    }
    vpc_connector                 = var.egress == "connector" ? google_vpc_access_connector.main[0].id : null
    vpc_connector_egress_settings = var.egress == "connector" ? "ALL_TRAFFIC" : null
  }

  depends_on = [
    google_compute_router_nat.main,
    google_firestore_database.main,
    google_firestore_field.communication, # an index of which the source's queries need all entries
    time_sleep.grants,
  ]
}

resource "google_cloudfunctions2_function" "exchange" {
  #checkov:skip=CKV_GCP_124:the IVR calls it from outside; Google checks the caller's identity, or the code its key
  project     = var.project_id
  name        = "${var.name}-exchange"
  location    = var.region
  description = "Hands callers' cards to operators."
  labels      = local.labels

  build_config {
    runtime               = local.runtime
    entry_point           = "exchange"
    service_account       = google_service_account.main["build"].id
    docker_repository     = google_artifact_registry_repository.main.id
    environment_variables = local.build_environment
    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    available_memory   = "512Mi"
    available_cpu      = "1" # less than one would allow only one request at a time
    timeout_seconds    = 60  # a GET waits 25 s at most
    min_instance_count = var.exchange_min_instances
    # 800 panels may wait for a card at once; more instances than these are somebody's mistake, and cost money.
    max_instance_count               = 10
    max_instance_request_concurrency = 80
    ingress_settings                 = "ALLOW_ALL"
    service_account_email            = google_service_account.main["exchange"].email
    environment_variables            = merge(local.server_environment, { for key, value in local.environment.exchange : key => value if value != null })

    dynamic "secret_environment_variables" {
      for_each = { for key, secret in local.secrets : key => secret if secret.reader == "exchange" }
      content {
        key        = secret_environment_variables.key
        project_id = var.project_id
        secret     = google_secret_manager_secret.main[secret_environment_variables.key].secret_id
        version    = google_secret_manager_secret_version.main[secret_environment_variables.key].version
      }
    }
  }

  depends_on = [google_firestore_database.cards, time_sleep.grants]
}
