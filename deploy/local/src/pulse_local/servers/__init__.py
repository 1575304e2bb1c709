"""PostgreSQL, Valkey and Mosquitto: how each is prepared, started and known to be ready."""
