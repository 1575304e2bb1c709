"""The fleet in figures for Prometheus, counted in the gateway's memory when a scrape comes.

Every gateway process holds all devices and desktops and tells the same figures: a query takes the `max` of them. No
figure names a device; who is behind is on the dashboard and in the API.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pulse_gateway.use_cases.summarise import Summarise


class FleetMetrics(Collector):
    """Devices online and offline, what they hold back, and how far desktops are with syncing."""

    def __init__(self, registry: CollectorRegistry, summarise: Summarise) -> None:
        self._summarise = summarise
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Give everything to a scrape."""
        devices, desktops = self._summarise.devices(), self._summarise.desktops()
        yield _by_state(
            "gateway_devices",
            "Registered devices",
            {"online": devices.online, "offline": devices.total - devices.online},
        )
        yield _by_state(
            "gateway_desktops",
            "Desktops that synchronise",
            {"behind": desktops.behind, "current": desktops.total - desktops.behind},
        )
        for name, text, value in (
            ("gateway_buffered_readings", "Readings that clients still hold, by their own account", devices.buffered),
            ("gateway_sync_lag_entries", "Log entries that desktops have not fetched, of all desktops", desktops.lag),
            (
                "gateway_sync_lag_most_entries",
                "Log entries that the slowest desktop has not fetched",
                desktops.most_lag,
            ),
            ("gateway_sync_config_lag_entries", "Config entries not yet in force on desktops", desktops.config_lag),
            ("gateway_sync_pending_edits", "Edits that desktops have not sent", desktops.pending),
            ("gateway_sync_open_conflicts", "Conflicts that nobody resolved yet", desktops.conflicts),
        ):
            yield GaugeMetricFamily(name, text, value=value)


def _by_state(name: str, text: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family
