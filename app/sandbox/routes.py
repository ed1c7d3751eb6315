"""Kota's paths."""

from app.sandbox import employees, employers, events, sessions
from app.sandbox.http import Router
from app.sandbox.world import Step, World


def kota_router() -> Router[World]:
    """Idempotent are the calls that Kota's OpenAPI gives the header to, and those for sessions.

    Kota's prose promises it for every POST. The sandbox keeps that promise where keeping it shows a client's mistake
    (an old session token for a key used twice), and breaks it where a client had better not rely on it.
    """
    router: Router[World] = Router()
    router.add("POST", "/employers", employers.create_employer, idempotent=True)
    router.add("GET", "/employers", employers.list_employers)
    router.add("GET", "/employers/{employer_id}", employers.get_employer)
    router.add("PUT", "/employers/{employer_id}", employers.update)
    router.add("POST", "/employees", employees.create_employee, idempotent=True)
    router.add("GET", "/employees", employees.list_employees)
    router.add("GET", "/employees/{employee_id}", employees.get_employee)
    router.add("PUT", "/employees/{employee_id}", employees.update)
    router.add("POST", "/embed/sessions", sessions.create_embed_session, idempotent=True)
    router.add("POST", "/hosted/sessions", sessions.create_hosted_session, idempotent=True)
    router.add("GET", "/events", events.list_events)
    router.add("GET", "/events/{event_id}", events.get_event)
    router.add("POST", "/events/{event_id}/replay", events.replay_event)
    return router


# What happens by itself, by the name that is kept in records.
STEPS: dict[str, Step] = {
    "activate_employer": employers.activate,
    "activate_employee": employees.activate,
}
