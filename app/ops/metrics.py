"""Every metric of the project, by the room that counts it. Labels are closed sets, never ids."""

from prometheus_client import Counter, Gauge, Histogram

UNEXPECTED_ERRORS = Counter(
    "kota_bff_unexpected_errors_total", "Exceptions that nobody expected, caught at a root", ["where"]
)
HTTP_REQUESTS = Counter("kota_bff_http_requests_total", "Answered requests", ["method", "route", "status"])
HTTP_SECONDS = Histogram(
    "kota_bff_http_request_seconds",
    "Time to answer",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
KOTA_SECONDS = Histogram(
    "kota_bff_kota_request_seconds",
    "Time for one exchange with Kota, by its path template and by how it ended",
    ["operation", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WEBHOOKS = Counter("kota_bff_webhooks_total", "Deliveries of Kota's webhooks", ["result"])
WEBHOOK_REFUSALS = Counter("kota_bff_webhook_refusals_total", "Deliveries with no valid signature", ["reason"])
EVENTS = Counter("kota_bff_events_total", "Events that reached their end", ["state"])
RECONCILED = Counter("kota_bff_reconciled_events_total", "Events that no delivery brought, found in Kota's list")
RECONCILE_AGE = Gauge("kota_bff_reconcile_age_seconds", "Since Kota's list of events was last read to its end")
BACKLOG_AGE = Gauge("kota_bff_events_backlog_age_seconds", "Since the oldest event that is not processed was received")
OUTBOX_MESSAGES = Counter("kota_bff_outbox_messages_total", "Attempts to tell the host something", ["outcome"])
PUSHES = Counter("kota_bff_pushes_total", "Attempts to bring a record to Kota", ["kind", "outcome"])
SESSIONS = Counter("kota_bff_sessions_total", "Sessions asked for", ["audience", "result"])
PUSHING_PAUSED = Gauge("kota_bff_pushing_paused", "1 while Kota refuses our API key")
