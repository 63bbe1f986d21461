output "sync_url" {
  description = "The address of sync."
  value       = google_cloudfunctions2_function.sync.service_config[0].uri
}

output "exchange_url" {
  description = "The address of exchange: cards are at <exchange_url>/api/<id>."
  value       = google_cloudfunctions2_function.exchange.service_config[0].uri
}

output "egress_address" {
  description = "Paste it into CoMagic's whitelist; null when egress is off."
  value       = one(google_compute_address.main[*].address)
}

output "pages_command" {
  description = "Shows the pages of sync in a browser, at http://127.0.0.1:8080, for as long as it runs."
  value       = "gcloud run services proxy ${google_cloudfunctions2_function.sync.name} --project ${var.project_id} --region ${var.region} --port 8080"
}

locals {
  key_header = var.secret_versions.sync_api_key > 0 ? "-H \"X-API-Key: $TF_VAR_sync_api_key\" " : ""
}

output "admin_commands" {
  description = "What an admin calls sync with, a line each; a key, if there is one, comes from the shell."
  value = join("\n", [
    for path in ["/check_setup", "/check_health", "/?update_db&dry_run&log=changes", "/?update_db&log=changes", "/runs", "/explain?phone=<phone>"] :
    "curl -sS -m 3600 -H \"Authorization: Bearer $(gcloud auth print-identity-token)\" ${local.key_header}'${google_cloudfunctions2_function.sync.service_config[0].uri}${path}'"
  ])
}
