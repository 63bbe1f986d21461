# On everything that takes labels and costs money, so that the bill can be split by instance. Databases, NAT and jobs take none.
locals {
  labels = merge(var.labels, { instance = var.name })
}
