terraform {
  required_version = ">= 1.11, < 2" # write-only arguments keep the secrets out of the state

  required_providers {
    google  = { source = "hashicorp/google", version = ">= 7.26, < 8" } # Direct VPC egress of functions
    archive = { source = "hashicorp/archive", version = "~> 2.7" }
    time    = { source = "hashicorp/time", version = "~> 0.12" }
  }
}

# There is no provider block on purpose: every resource names its project and its place, and the credentials come from
# the environment. So the folder is applied as it stands, and is also a module to call several times, with for_each too.
