-- Roles, database, schemas and grants of a PrecisionPulse database. Idempotent; run by a superuser through psql with the
-- variables database, template, pulse_admin_password and pulse_<service>_password.
--
-- Each service owns one schema and reads nobody's tables. What a service publishes to the others are views, granted
-- to pulse_published by its own migrations. pulse_admin is the operator's: it is a member of every service's role.

SELECT format('CREATE ROLE %I NOLOGIN', r) FROM unnest(ARRAY['pulse_published']) r
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) \gexec
SELECT format('CREATE ROLE %I LOGIN', r)
FROM unnest(ARRAY['pulse_admin', 'pulse_identity', 'pulse_ingest', 'pulse_gateway', 'pulse_sync', 'pulse_commands',
    'pulse_alerts']) r
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) \gexec

ALTER ROLE pulse_admin    PASSWORD :'pulse_admin_password';
ALTER ROLE pulse_identity PASSWORD :'pulse_identity_password';
ALTER ROLE pulse_ingest   PASSWORD :'pulse_ingest_password';
ALTER ROLE pulse_gateway  PASSWORD :'pulse_gateway_password';
ALTER ROLE pulse_sync     PASSWORD :'pulse_sync_password';
ALTER ROLE pulse_commands PASSWORD :'pulse_commands_password';
ALTER ROLE pulse_alerts   PASSWORD :'pulse_alerts_password';

GRANT pulse_published TO pulse_identity, pulse_ingest, pulse_gateway, pulse_sync, pulse_commands, pulse_alerts;
GRANT pulse_identity, pulse_ingest, pulse_gateway, pulse_sync, pulse_commands, pulse_alerts TO pulse_admin;

SELECT format('CREATE DATABASE %I TEMPLATE %I OWNER pulse_admin', :'database', :'template')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database"
    TO pulse_identity, pulse_ingest, pulse_gateway, pulse_sync, pulse_commands, pulse_alerts;

-- A person's `select * from telemetry_data` works; a service's own schema comes first for the service.
ALTER DATABASE :"database" SET search_path = telemetry, identity, sync, commands, alerts, gateway, public;
ALTER ROLE pulse_identity IN DATABASE :"database" SET search_path = identity, telemetry, gateway, public;
ALTER ROLE pulse_ingest   IN DATABASE :"database" SET search_path = telemetry, identity, gateway, public;
ALTER ROLE pulse_gateway  IN DATABASE :"database" SET search_path = gateway, telemetry, identity, public;
ALTER ROLE pulse_sync     IN DATABASE :"database" SET search_path = sync, identity, telemetry, public;
ALTER ROLE pulse_commands IN DATABASE :"database" SET search_path = commands, identity, telemetry, public;
ALTER ROLE pulse_alerts   IN DATABASE :"database" SET search_path = alerts, telemetry, identity, public;

\connect :"database"

REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS identity  AUTHORIZATION pulse_identity;
CREATE SCHEMA IF NOT EXISTS telemetry AUTHORIZATION pulse_ingest;
CREATE SCHEMA IF NOT EXISTS gateway   AUTHORIZATION pulse_gateway;
CREATE SCHEMA IF NOT EXISTS sync      AUTHORIZATION pulse_sync;
CREATE SCHEMA IF NOT EXISTS commands  AUTHORIZATION pulse_commands;
CREATE SCHEMA IF NOT EXISTS alerts    AUTHORIZATION pulse_alerts;
GRANT USAGE ON SCHEMA identity, telemetry, gateway, sync, commands, alerts TO pulse_published;
