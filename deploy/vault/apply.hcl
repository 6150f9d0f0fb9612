# What `keystile rotate apply` needs in Vault for the secrets below team-a/: to describe them, to read their values for
# the proof, and the one call of each engine that makes a new one. It may not delete, and may not change the custom
# metadata that says what may be touched.

# KV version 2: `update` writes a version of a secret that is there; `create` would make new ones.
path "secret/metadata/team-a/*" { capabilities = ["read"] }
path "secret/data/team-a/*"     { capabilities = ["read", "update"] }

# Static roles of the database engine.
path "database/static-roles/team-a-*" { capabilities = ["read"] }
path "database/static-creds/team-a-*" { capabilities = ["read"] }
path "database/rotate-role/team-a-*"  { capabilities = ["update"] }
