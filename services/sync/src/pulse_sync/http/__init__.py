"""HTTP in: `/api/sync`, and the service's metrics."""
