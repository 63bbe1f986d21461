# sync leaves by one reserved address, because CoMagic refuses every address that is not on its whitelist. A network of its
# own for each instance: nothing else is in it, and the ranges can't collide.
locals {
  addresses = var.egress == "off" ? 0 : 1
}

resource "google_compute_network" "main" {
  #checkov:skip=CKV2_GCP_18:nothing listens in this network, and what is not allowed into a network is denied
  count = local.addresses

  project                 = var.project_id
  name                    = var.name
  auto_create_subnetworks = false
  depends_on              = [time_sleep.apis]
}

# Both are there at once, because Google frees the one of direct egress hours after its last use: switching between direct
# and connector waits for nothing, and keeps the address.
resource "google_compute_subnetwork" "main" {
  #checkov:skip=CKV_GCP_26:the function logs its calls; flow logs would cost more than the rest
  for_each = { for egress, range in { direct = "10.10.0.0/26", connector = "10.10.1.0/28" } : egress => range if local.addresses > 0 }

  project                  = var.project_id
  region                   = var.region
  name                     = "${var.name}-${each.key}"
  network                  = google_compute_network.main[0].id
  ip_cidr_range            = each.value
  private_ip_google_access = true # Firestore is reached without the NAT and its fee
}

resource "google_vpc_access_connector" "main" {
  count = var.egress == "connector" ? 1 : 0

  project       = var.project_id
  region        = var.region
  name          = var.name
  machine_type  = "e2-micro"
  min_instances = 2
  max_instances = 3

  subnet {
    name = google_compute_subnetwork.main["connector"].name
  }
}

resource "google_compute_address" "main" {
  count = local.addresses

  project = var.project_id
  region  = var.region
  name    = var.name
  # Never edit this text: an address with another description is a new address, and CoMagic refuses it.
  description  = "On CoMagic's whitelist: tell CoMagic before it changes."
  address_type = "EXTERNAL"
  labels       = local.labels
  depends_on   = [time_sleep.apis]
}

resource "google_compute_router" "main" {
  count = local.addresses

  project = var.project_id
  region  = var.region
  name    = var.name
  network = google_compute_network.main[0].id
}

resource "google_compute_router_nat" "main" {
  count = local.addresses

  project                            = var.project_id
  region                             = var.region
  name                               = var.name
  router                             = google_compute_router.main[0].name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.main[0].self_link]
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
