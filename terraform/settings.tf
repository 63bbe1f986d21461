# The environment of each function: every setting of the code that is no secret.
locals {
  databases = {
    sync     = coalesce(var.database, "${var.name}-sales")
    exchange = "${var.name}-cards"
  }

  # A null is left out, so that the code takes its own default.
  environment = {
    sync = {
      STORE_URL                 = "firestore://${var.project_id}/${local.databases.sync}"
      AGBIS_URL                 = var.agbis_url
      AGBIS_USER                = var.agbis_user
      COMAGIC_URL               = var.comagic_url
      COMAGIC_USER_ID           = var.comagic_user_id
      COMAGIC_SALE_TAG_ID       = var.comagic_sale_tag_id
      COMAGIC_LOOKBACK_DAYS     = var.comagic_lookback_days
      COMAGIC_SOURCES           = join(",", sort(var.comagic_sources))
      COMAGIC_CONCURRENCY       = var.comagic_concurrency
      COMAGIC_DEALS             = var.comagic_deals
      COMAGIC_DEALS_FUNNEL      = var.comagic_deals_funnel
      COMAGIC_DEALS_LINK        = var.comagic_deals_link
      ATTRIBUTION               = var.attribution
      CRM_LOOKBACK_DAYS         = var.crm_lookback_days
      TIME_ZONE                 = var.time_zone
      PHONE_REGION              = var.phone_region
      SYNC_TIME_BUDGET_SECONDS  = var.sync_time_budget_seconds
      SYNC_MAX_DECREASE_PERCENT = var.sync_max_decrease_percent
      RUNS_TTL_DAYS             = var.runs_ttl_days
      LOG_LEVEL                 = var.log_level
    }
    exchange = {
      STORE_URL            = "firestore://${var.project_id}/${local.databases.exchange}"
      TIME_ZONE            = var.time_zone
      EXCHANGE_TTL_SECONDS = var.exchange_ttl_seconds
      LOG_LEVEL            = var.log_level
    }
  }
}
