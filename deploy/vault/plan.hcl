# What `keystile rotate plan` needs in Vault for the secrets below team-a/: names, versions and values. It writes nothing.
# Replace team-a, and the mounts where yours have other names.

# KV version 2.
path "secret/metadata/team-a/*" { capabilities = ["read", "list"] }
path "secret/data/team-a/*"     { capabilities = ["read"] }

# Static roles of the database engine. A list shows the names of all of them.
path "database/static-roles"          { capabilities = ["list"] }
path "database/static-roles/team-a-*" { capabilities = ["read"] }
path "database/static-creds/team-a-*" { capabilities = ["read"] }
