#!/bin/sh
# Grafana reads as a user who can do nothing else.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<SQL
CREATE ROLE grafana LOGIN PASSWORD '$(cat /run/secrets/database_password)';
GRANT USAGE ON SCHEMA public TO grafana;
ALTER DEFAULT PRIVILEGES FOR ROLE vqa IN SCHEMA public GRANT SELECT ON TABLES TO grafana;
SQL
