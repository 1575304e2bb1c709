"""PostgreSQL: the tables and views of schema `sync`, and the adapters that write and read them."""
