"""PostgreSQL: the tables and views of schema `telemetry`, and the adapters that write and read them."""
