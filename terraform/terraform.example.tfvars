# Copy to terraform.tfvars. Secrets do not belong here: give them as TF_VAR_comagic_token and TF_VAR_agbis_password.
project_id  = "my-project"
alert_email = "me@example.com"
admins      = ["user:me@example.com"]
agbis_url   = "https://himinfo.net/cl/my-path/api/"
agbis_user  = "my-user"
