# The code logs one line at the end of each run, "run_finished" or "run_failed". All metrics are made of these two; the answers
# of exchange are counted by Cloud Run itself.
locals {
  finished    = "jsonPayload.message=\"run_finished\" NOT jsonPayload.dry_run=true" # a dry run does no work
  of_sync     = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"${google_cloudfunctions2_function.sync.name}\""
  of_exchange = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"${google_cloudfunctions2_function.exchange.name}\""

  # The second half finds runs that could not log anything: out of memory, out of time.
  failed = "((severity>=ERROR jsonPayload.message=\"run_failed\") OR (httpRequest.status>=500 httpRequest.userAgent=\"Google-Cloud-Scheduler\"))"

  counters = {
    run_finished = local.finished
    run_failed   = local.failed
  }

  items = ["failed", "deferred"]

  # Monitoring knows the metric NAME/x_y under this name in PromQL.
  metric   = "logging_googleapis_com:user_${replace(var.name, "-", "_")}"
  revision = "monitored_resource=\"cloud_run_revision\""
  exchange = "run_googleapis_com:request_count{${local.revision},service_name=\"${google_cloudfunctions2_function.exchange.name}\"}"

  # Items left over by an average run: in the last six hours, and in the six before.
  left_over = "(sum(increase(${local.metric}_items_failed_sum{${local.revision}}[6h]%[1]s)) + sum(increase(${local.metric}_items_deferred_sum{${local.revision}}[6h]%[1]s))) / sum(increase(${local.metric}_run_finished{${local.revision}}[6h]%[1]s))"

  # A filter fires at the first line of the log that matches it. A query needs a metric, which shows what is missing.
  alerts = {
    run_failed = {
      title  = "a run failed"
      filter = "${local.of_sync} ${local.failed}"
      hint   = "The next run repeats what is missing. If this mail comes again, see /check_setup and /runs."
    }
    run_missing = {
      title = "no run for 26 hours"
      # 24 hours and 2 more: Monitoring looks back 25 hours at most in such a metric, and its own condition for absent
      # metrics ends at 23.5. This query also fires when there never was a run.
      query    = "absent_over_time(${local.metric}_run_finished{${local.revision}}[24h])"
      duration = "7200s"
      hint     = "See whether the jobs of Cloud Scheduler are paused, and what they were answered."
    }
    run_unbalanced = {
      title  = "the money of a run does not add up"
      filter = "${local.of_sync} jsonPayload.message=\"run_finished\" jsonPayload.balanced=false"
      hint   = "A fault of the code. The journal under /runs holds the sums of that run; keep it for the repair."
    }
    items_growing = {
      title = "failed or deferred items are growing"
      query = "${format(local.left_over, "")} > ${format(local.left_over, " offset 6h")}"
      # The next runs clear within this time what one large day leaves over.
      duration = "21600s"
      hint     = "See the failed and deferred rows of the journals under /runs: a spent quota, or CoMagic refusing a call."
    }
    exchange_5xx = {
      title  = "exchange answered 5xx"
      filter = "log_id(\"run.googleapis.com/requests\") ${local.of_exchange} httpRequest.status>=500"
      hint   = "Operators get no cards. See the log of the function."
    }
  }

  charts = {
    "Runs an hour" = {
      finished = "sum(increase(${local.metric}_run_finished{${local.revision}}[1h]))"
      failed   = "sum(increase(${local.metric}_run_failed{${local.revision}}[1h]))"
    }
    "Items left over, an hour" = { for item in local.items :
      item => "sum(increase(${local.metric}_items_${item}_sum{${local.revision}}[1h]))"
    }
    "Answers of exchange, a minute" = {
      "$${labels.response_code_class}" = "sum by (response_code_class) (increase(${local.exchange}[1m]))"
    }
  }
}

resource "google_logging_metric" "counter" {
  for_each = local.counters

  project = var.project_id
  name    = "${var.name}/${each.key}"
  filter  = "${local.of_sync} ${each.value}"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_logging_metric" "items" {
  for_each = toset(local.items)

  project         = var.project_id
  name            = "${var.name}/items_${each.value}"
  filter          = "${local.of_sync} ${local.finished}"
  value_extractor = "EXTRACT(jsonPayload.${each.value})"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
  }

  # Monitoring's own default: unnamed, it would differ at every plan.
  bucket_options {
    exponential_buckets {
      num_finite_buckets = 64
      growth_factor      = 2
      scale              = 0.01
    }
  }
}

resource "google_monitoring_notification_channel" "main" {
  project      = var.project_id
  display_name = var.name
  type         = "email"
  labels       = { email_address = var.alert_email }
  depends_on   = [time_sleep.apis]
}

resource "google_monitoring_alert_policy" "main" {
  for_each = local.alerts

  project               = var.project_id
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.main.id]

  conditions {
    display_name = each.value.title

    dynamic "condition_matched_log" {
      for_each = try([each.value.filter], [])
      content {
        filter = condition_matched_log.value
      }
    }

    dynamic "condition_prometheus_query_language" {
      for_each = try([each.value.query], [])
      content {
        query                     = condition_prometheus_query_language.value
        duration                  = each.value.duration
        evaluation_interval       = "300s"
        disable_metric_validation = true # Monitoring learns of a new metric minutes later
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"

    # A mail an hour at most. Obligatory for a filter, refused for a query.
    dynamic "notification_rate_limit" {
      for_each = try([each.value.filter], [])
      content {
        period = "3600s"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = each.value.hint
  }

  depends_on = [google_logging_metric.counter, google_logging_metric.items]
}

resource "google_monitoring_dashboard" "main" {
  project = var.project_id

  dashboard_json = jsonencode({
    displayName = var.name
    gridLayout = {
      columns = "1" # as Monitoring answers it; a number would differ at every plan
      widgets = [for title, lines in local.charts : {
        title = title
        xyChart = {
          dataSets = [for legend, query in lines : {
            plotType        = "STACKED_BAR"
            legendTemplate  = legend
            timeSeriesQuery = { prometheusQuery = query }
          }]
        }
      }]
    }
  })

  depends_on = [time_sleep.apis]
}
