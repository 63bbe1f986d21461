# What the cloud gets: the Python files, the pages beside them and the list of packages. Tests, caches, keys and this folder stay at home.
locals {
  root  = abspath("${path.module}/..")
  files = setunion(fileset(local.root, "function/**/*.{py,html,css,js}"), ["requirements.txt"])
}

data "archive_file" "source" {
  type             = "zip"
  output_path      = "${path.module}/build/${var.name}.zip" # two instances are built at the same time
  output_file_mode = "0644"                                 # the same archive on every machine

  dynamic "source" {
    for_each = local.files
    content {
      filename = source.value
      content  = file("${local.root}/${source.value}")
    }
  }
}

resource "google_storage_bucket" "source" {
  #checkov:skip=CKV_GCP_62:only Google's build reads this bucket, and the audit log names who changed it
  #checkov:skip=CKV_GCP_78:an archive never changes, its name is its hash; the history is in git
  project                     = var.project_id
  name                        = "${var.project_id}-${var.name}-source" # bucket names are shared by the whole world
  location                    = var.region
  labels                      = local.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
  depends_on                  = [time_sleep.apis]
}

# A new name deploys; the same source is the same name, and nothing happens.
resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  name   = "${data.archive_file.source.output_sha256}.zip"
  source = data.archive_file.source.output_path

  lifecycle {
    create_before_destroy = true
  }
}

# A repository of our own, so that the build may write here and to no other images of the project.
resource "google_artifact_registry_repository" "main" {
  #checkov:skip=CKV_GCP_84:the images hold our source and public packages, no data; Google's keys encrypt them
  project       = var.project_id
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  labels        = local.labels

  # Without this every deployment is paid for for ever.
  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 5
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [time_sleep.apis]
}
