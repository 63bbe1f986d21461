terraform {
  required_version = ">= 1.11, < 2" # write-only arguments keep the secrets out of the state

  required_providers {
    google  = { source = "hashicorp/google", version = ">= 7.42, < 8" } # its rule for secrets is the one we keep; 7.33 has what firestore.tf needs, 7.26 what function.tf does
    archive = { source = "hashicorp/archive", version = "~> 2.7" }
    time    = { source = "hashicorp/time", version = "~> 0.12" }
  }
}

# There is no provider block on purpose: every resource names its project and its place, and the credentials come from
# the environment. So the folder is applied as it stands, and is also a module to call several times, with for_each too.
