# Our own log has no phones, but Google's log of requests keeps addresses for 30 days, and these two parameters hold phones.
# Such requests are not kept; no alert is made of them.
resource "google_logging_project_exclusion" "phones" {
  project     = var.project_id
  name        = "${var.name}-phones"
  description = "Addresses with a phone: /explain?phone= and a search in a journal."
  filter      = "log_id(\"run.googleapis.com/requests\") ${local.of_sync} httpRequest.requestUrl=~\"[?&](phone|q)=\""
  depends_on  = [time_sleep.apis]
}
