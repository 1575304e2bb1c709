"""HTTP in: `POST /api/telemetry`, and the service's metrics."""
