# Two instances in one project may both ask for an API; neither switches it off.
resource "google_project_service" "main" {
  for_each = toset([
    "artifactregistry", "cloudbuild", "cloudfunctions", "cloudresourcemanager", "cloudscheduler", "compute",
    "firestore", "iam", "logging", "monitoring", "run", "secretmanager", "storage", "vpcaccess",
  ])

  project            = var.project_id
  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}

# Google calls an API on before every one of its servers knows.
resource "time_sleep" "apis" {
  create_duration = "60s"
  depends_on      = [google_project_service.main]
}
