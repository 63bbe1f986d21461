# Where and for whom

variable "project_id" {
  description = "The Google Cloud project that everything goes into. It must exist and have billing."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is the project's id, 6-30 of a-z 0-9 -, not its name or number."
  }
}

variable "region" {
  description = "The region of the functions, the databases and the outgoing address. Moving means a new address and new databases. A new project may build only in us-central1, us-west2, europe-west1, asia-east1, australia-southeast1 and southamerica-east1."
  type        = string
  default     = "europe-west1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a Google Cloud region, for example europe-west1."
  }
}

variable "name" {
  description = "Begins the name of everything here. Another name is another instance: a second customer in the same project."
  type        = string
  default     = "crm-bridge"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])$", var.name))
    error_message = "name has 2-20 of a-z 0-9 -, begins with a letter and does not end with a hyphen."
  }
}

variable "labels" {
  description = "Labels for the bill, beside instance = name, which is always there."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value)) && key != "instance"])
    error_message = "Each of labels has a key of 1-63 and a value of 0-63 of a-z 0-9 _ -; a key begins with a letter and is not instance."
  }
}

variable "alert_email" {
  description = "The address that gets the alerts."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "alert_email is one e-mail address."
  }
}

variable "admins" {
  description = "Who may call sync by hand and see its pages, for example [\"user:me@example.com\"]. An organisation made since May 2024 refuses accounts from outside of it."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.admins : can(regex("^(user|group|serviceAccount):[^\\s]+$", member))])
    error_message = "Each of admins is user:<e-mail>, group:<e-mail> or serviceAccount:<e-mail>."
  }
}

variable "exchange_callers" {
  description = "Who may call exchange with a Google identity token: the service accounts of the IVR and the panel."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.exchange_callers : can(regex("^(user|group|serviceAccount):[^\\s]+$", member))])
    error_message = "Each of exchange_callers is user:<e-mail>, group:<e-mail> or serviceAccount:<e-mail>."
  }
}

variable "exchange_public" {
  description = "Whether exchange is open to callers without a Google identity. They then need the key exchange_api_key. An organisation made since May 2024 refuses this until its rule iam.allowedPolicyMemberDomains is lifted for the project."
  type        = bool
  default     = false
}

variable "exchange_min_instances" {
  description = "How many instances of exchange always wait, each about 10 dollars a month. With 0 the first caller after a quiet quarter of an hour waits for one to start."
  type        = number
  default     = 0

  validation {
    condition     = var.exchange_min_instances >= 0 && var.exchange_min_instances <= 10 && floor(var.exchange_min_instances) == var.exchange_min_instances
    error_message = "exchange_min_instances is a whole number from 0 to 10."
  }
}

variable "egress" {
  description = "How sync leaves by the fixed address: direct (Direct VPC egress), connector (starts faster, two machines always on) or off (no fixed address)."
  type        = string
  default     = "direct"

  validation {
    condition     = contains(["direct", "connector", "off"], var.egress)
    error_message = "egress is direct, connector or off."
  }
}

variable "daily_schedule" {
  description = "When the CRM is read and the sales are applied: unix-cron, five fields, in time_zone."
  type        = string
  default     = "5 4 * * *"

  validation {
    condition     = length(split(" ", trimspace(var.daily_schedule))) == 5
    error_message = "daily_schedule needs five fields, for example \"5 4 * * *\"."
  }
}

variable "hourly_schedule" {
  description = "When sales left over are applied, without reading the CRM: unix-cron, five fields, in time_zone. Not within half an hour after daily_schedule."
  type        = string
  default     = "45 * * * *"

  validation {
    condition     = length(split(" ", trimspace(var.hourly_schedule))) == 5
    error_message = "hourly_schedule needs five fields, for example \"45 * * * *\"."
  }
}

variable "schedule_paused" {
  description = "Whether both jobs stand still, as while a backup is restored."
  type        = bool
  default     = false
}

variable "database" {
  description = "The Firestore database of sync; \"<name>-sales\" when left out. A new name makes a new, empty one and leaves the old one in peace."
  type        = string
  default     = null

  validation {
    condition     = var.database == null ? true : can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database))
    error_message = "database has 4-63 of a-z 0-9 -, begins with a letter and does not end with a hyphen."
  }
}

# Settings of the code, under the names of its environment variables in lower case

variable "agbis_url" {
  description = "The address of the CRM, for example https://himinfo.net/cl/<path>/api/."
  type        = string

  validation {
    condition     = can(regex("^https://[^\\s?#]+$", var.agbis_url))
    error_message = "agbis_url begins with https:// and has no query."
  }
}

variable "agbis_user" {
  description = "The user of the CRM."
  type        = string

  validation {
    condition     = trimspace(var.agbis_user) != ""
    error_message = "agbis_user is empty."
  }
}

variable "comagic_url" {
  description = "The address of CoMagic's Data API."
  type        = string
  default     = "https://dataapi.comagic.ru/v2.0"

  validation {
    condition     = can(regex("^https://[^\\s?#]+$", var.comagic_url))
    error_message = "comagic_url begins with https:// and has no query."
  }
}

variable "comagic_user_id" {
  description = "The client's user id, for agencies only."
  type        = number
  default     = null

  validation {
    condition     = var.comagic_user_id == null ? true : var.comagic_user_id >= 1 && floor(var.comagic_user_id) == var.comagic_user_id
    error_message = "comagic_user_id is a whole number from 1."
  }
}

variable "comagic_sale_tag_id" {
  description = "The id of CoMagic's sale tag; the code finds it when left out."
  type        = number
  default     = null

  validation {
    condition     = var.comagic_sale_tag_id == null ? true : var.comagic_sale_tag_id >= 1 && floor(var.comagic_sale_tag_id) == var.comagic_sale_tag_id
    error_message = "comagic_sale_tag_id is a whole number from 1."
  }
}

variable "comagic_lookback_days" {
  description = "How many days of communications are read."
  type        = number
  default     = 30

  validation {
    condition     = var.comagic_lookback_days >= 1 && var.comagic_lookback_days <= 3650 && floor(var.comagic_lookback_days) == var.comagic_lookback_days
    error_message = "comagic_lookback_days is a whole number from 1 to 3650."
  }
}

variable "comagic_sources" {
  description = "Which communications may bear a sale: calls, chats, offline_messages."
  type        = set(string)
  default     = ["calls"]

  validation {
    condition     = length(var.comagic_sources) > 0 && length(setsubtract(var.comagic_sources, ["calls", "chats", "offline_messages"])) == 0
    error_message = "comagic_sources has at least one of calls, chats, offline_messages and nothing else."
  }
}

variable "comagic_concurrency" {
  description = "How many requests to CoMagic are under way at once."
  type        = number
  default     = 5

  validation {
    # The fixed address has 64 ports for an instance, some of them still closing.
    condition     = var.comagic_concurrency >= 1 && var.comagic_concurrency <= 20 && floor(var.comagic_concurrency) == var.comagic_concurrency
    error_message = "comagic_concurrency is a whole number from 1 to 20."
  }
}

variable "comagic_deals" {
  description = "Whether every order becomes a deal of CoMagic as well, beside the tags: on or off. Needs its paid option «Сквозная аналитика»."
  type        = string
  default     = "off"

  validation {
    condition     = contains(["on", "off"], var.comagic_deals)
    error_message = "comagic_deals is on or off."
  }
}

variable "comagic_deals_funnel" {
  description = "The id of the sales funnel of the deals; made when CoMagic has none of this id."
  type        = string
  default     = "agbis"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.comagic_deals_funnel))
    error_message = "comagic_deals_funnel is 1 to 64 of A-Z a-z 0-9 _ -."
  }
}

variable "comagic_deals_link" {
  description = "What links a deal to communications: contact (the phones of its client), or communication (the one that bears the sale)."
  type        = string
  default     = "contact"

  validation {
    condition     = contains(["contact", "communication"], var.comagic_deals_link)
    error_message = "comagic_deals_link is contact or communication."
  }
}

variable "attribution" {
  description = "Which communication of a phone bears its sale: first, first_before_payment, last_before_payment."
  type        = string
  default     = "first"

  validation {
    condition     = contains(["first", "first_before_payment", "last_before_payment"], var.attribution)
    error_message = "attribution is one of first, first_before_payment, last_before_payment."
  }
}

variable "crm_lookback_days" {
  description = "How many days back a refresh reads the CRM at least."
  type        = number
  default     = 3

  validation {
    condition     = var.crm_lookback_days >= 1 && var.crm_lookback_days <= 3650 && floor(var.crm_lookback_days) == var.crm_lookback_days
    error_message = "crm_lookback_days is a whole number from 1 to 3650."
  }
}

variable "time_zone" {
  description = "The time zone of the CRM, of CoMagic and of both schedules, a name of the IANA database."
  type        = string
  default     = "Europe/Moscow"

  validation {
    condition     = can(regex("^[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}$", var.time_zone))
    error_message = "time_zone is a name of the IANA time zone database, for example Europe/Moscow."
  }
}

variable "phone_region" {
  description = "The country of phones written without a country code."
  type        = string
  default     = "RU"

  validation {
    condition     = can(regex("^[A-Z]{2}$", var.phone_region))
    error_message = "phone_region is a country of two capital letters, for example RU."
  }
}

variable "sync_time_budget_seconds" {
  description = "After how many seconds a run stops cleanly; the next one goes on."
  type        = number
  default     = 1500

  validation {
    # Cloud Scheduler waits 1800 s at most, and a run that goes on longer is repeated.
    condition     = var.sync_time_budget_seconds >= 60 && var.sync_time_budget_seconds <= 1740 && floor(var.sync_time_budget_seconds) == var.sync_time_budget_seconds
    error_message = "sync_time_budget_seconds is a whole number from 60 to 1740."
  }
}

variable "exchange_ttl_seconds" {
  description = "How many seconds a caller's card is shown."
  type        = number
  default     = 3600

  validation {
    condition     = var.exchange_ttl_seconds >= 1 && var.exchange_ttl_seconds <= 2592000 && floor(var.exchange_ttl_seconds) == var.exchange_ttl_seconds
    error_message = "exchange_ttl_seconds is a whole number from 1 to 2592000."
  }
}

variable "sync_max_decrease_percent" {
  description = "The share of the standing sales that a run may take off without a confirmation, in percent. 100 switches the guard off."
  type        = number
  default     = 20

  validation {
    condition     = var.sync_max_decrease_percent >= 0 && var.sync_max_decrease_percent <= 100 && floor(var.sync_max_decrease_percent) == var.sync_max_decrease_percent
    error_message = "sync_max_decrease_percent is a whole number from 0 to 100."
  }
}

variable "runs_ttl_days" {
  description = "How many days the journals of the runs are kept."
  type        = number
  default     = 90

  validation {
    condition     = var.runs_ttl_days >= 1 && var.runs_ttl_days <= 3650 && floor(var.runs_ttl_days) == var.runs_ttl_days
    error_message = "runs_ttl_days is a whole number from 1 to 3650."
  }
}

variable "log_level" {
  description = "The least level that is logged: DEBUG, INFO, WARNING, ERROR. The alerts need INFO or DEBUG."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level is DEBUG, INFO, WARNING or ERROR."
  }
}

# Secrets. They pass through: ephemeral variables are in no plan and no state. A value is needed when its number in
# secret_versions is new; every other apply does without.

variable "comagic_token" {
  description = "The access token of CoMagic's Data API. Give it as TF_VAR_comagic_token."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.comagic_token == null ? true : can(regex("^\\S(.*\\S)?$", var.comagic_token))
    error_message = "comagic_token is empty, or has white space around it."
  }
}

variable "agbis_password" {
  description = "The password of agbis_user. Give it as TF_VAR_agbis_password."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.agbis_password == null ? true : can(regex("^\\S(.*\\S)?$", var.agbis_password))
    error_message = "agbis_password is empty, or has white space around it."
  }
}

variable "exchange_api_key" {
  description = "The key that every caller of exchange then has to send. Give it as TF_VAR_exchange_api_key."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.exchange_api_key == null ? true : can(regex("^\\S{16,}$", var.exchange_api_key))
    error_message = "exchange_api_key has 16 characters or more and no white space."
  }
}

variable "alert_urls" {
  description = "A comma list of Apprise addresses that get the code's own alerts. They hold passwords: give them as TF_VAR_alert_urls."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.alert_urls == null ? true : can(regex("^[A-Za-z][A-Za-z0-9]*://\\S+", var.alert_urls))
    error_message = "alert_urls is a comma list of addresses like tgram://<token>/<chat>."
  }
}

variable "sync_api_key" {
  description = "The key that every caller of sync then has to send, beside a Google identity. It stands in Terraform's state, because Cloud Scheduler's jobs hold it. Give it as TF_VAR_sync_api_key."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.sync_api_key == null ? true : can(regex("^\\S{16,}$", var.sync_api_key))
    error_message = "sync_api_key has 16 characters or more and no white space."
  }
}

variable "secret_versions" {
  description = "Terraform can't see that a secret has changed: raise its number to write the new value. exchange_api_key, sync_api_key and alert_urls at 0 are not set."
  type = object({
    comagic_token    = optional(number, 1)
    agbis_password   = optional(number, 1)
    exchange_api_key = optional(number, 0)
    sync_api_key     = optional(number, 0)
    alert_urls       = optional(number, 0)
  })
  default = {}

  validation {
    condition = (
      alltrue([for number in values(var.secret_versions) : number == floor(number) && number >= 0])
      && min(var.secret_versions.comagic_token, var.secret_versions.agbis_password) >= 1
    )
    error_message = "secret_versions holds whole numbers from 1; only exchange_api_key, sync_api_key and alert_urls may be 0."
  }
}
