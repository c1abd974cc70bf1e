"""What a process counts of itself, in Prometheus' text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from order_ledger.journal.writer import Writer

# Of one version there may be two copies: the one that is read, and one beside it.
_FOLLOWER = ["projection", "version", "read", "part"]


class Metrics:
    """One registry a process; `scrape` gives it as text."""

    def __init__(self, writer: Writer) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "order_ledger_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "order_ledger_request_seconds",
            "How long requests took.",
            ["method", "route"],
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.refusals = Counter("order_ledger_refusals", "Refusals by code.", ["code"], registry=self.registry)
        Gauge("order_ledger_commits", "Batches committed.", registry=self.registry).set_function(
            lambda: writer.commits.batches
        )
        Gauge("order_ledger_commands", "Commands in committed batches.", registry=self.registry).set_function(
            lambda: writer.commits.proposals
        )

        self.lag_events = Gauge(
            "order_ledger_follower_lag_events",
            "Entries not yet followed.",
            _FOLLOWER,
            registry=self.registry,
        )
        self.lag_seconds = Gauge(
            "order_ledger_follower_lag_seconds",
            "Age of the first entry not yet followed.",
            _FOLLOWER,
            registry=self.registry,
        )
        self.parked = Gauge(
            "order_ledger_follower_parked",
            "Streams that a fold failed on.",
            _FOLLOWER,
            registry=self.registry,
        )

        self.policy_lag_events = Gauge(
            "order_ledger_policy_lag_events", "Entries that a policy did not look at yet.", ["policy"],
            registry=self.registry,
        )  # fmt: skip
        self.open_cases = Gauge(
            "order_ledger_policy_open_cases", "What a policy was refused, and waits for somebody to mend.", ["policy"],
            registry=self.registry,
        )  # fmt: skip

        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request by its route's template, never by its path: ids are not labels."""
        children = self._children.get((method, route, status))
        if children is None:
            children = (self.requests.labels(method, route, status), self.seconds.labels(method, route))
            self._children[method, route, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def observe(self, followers: list[dict[str, object]], policies: list[dict[str, object]]) -> None:
        """Takes over what followers and policies say of themselves. A copy that was dropped is not spoken of again."""
        gauges = {"lag_events": self.lag_events, "lag_seconds": self.lag_seconds, "parked": self.parked}
        for gauge in gauges.values():
            gauge.clear()
        for each in followers:
            labels = (str(each["name"]), str(each["version"]), "yes" if each["current"] else "no", str(each["part"]))
            for name, gauge in gauges.items():
                gauge.labels(*labels).set(float(str(each[name])))
        for each in policies:
            self.policy_lag_events.labels(str(each["name"])).set(float(str(each["lag_events"])))
            self.open_cases.labels(str(each["name"])).set(float(str(each["open_cases"])))

    def scrape(self) -> Response:
        return Response(generate_latest(self.registry), media_type="text/plain; version=0.0.4; charset=utf-8")
