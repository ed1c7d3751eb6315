"""What browsers get: the stand-in for Kota's script, the page behind hosted links, and what both call."""

from functools import cache
from html import escape
from pathlib import Path

from app.sandbox.actions import open_actions, settle, shown_action
from app.sandbox.checks import Object, check_body, one_of
from app.sandbox.http import Answer, Call, Headers, Router, empty_answer, json_answer
from app.sandbox.problems import Problem
from app.sandbox.sessions import find_session, start_embed_session
from app.sandbox.store import Json
from app.sandbox.world import World

_STATIC = Path(__file__).parent / "static"
_ANSWER = Object({"answer": one_of(frozenset({"accept", "decline"}))})

# Pages of any origin show Kota's script, and it calls with a token, never with cookies.
CORS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-allow-methods", b"GET, POST"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
_NO_STORE: Headers = [(b"cache-control", b"no-store")]


@cache
def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def get_script(_world: World, _call: Call) -> Answer:
    return _text(_static("kota.js"), media_type=b"text/javascript; charset=utf-8", headers=CORS)


def get_hosted_script(_world: World, _call: Call) -> Answer:
    return _text(_static("hosted.js"), media_type=b"text/javascript; charset=utf-8")


def open_hosted_page(world: World, call: Call) -> Answer:
    """Works once, and as long as the link is valid."""
    session = find_session(world, call["token"], prefix="hosted")
    if session is None or session.private.get("used"):
        return _text(_static("gone.html"), media_type=b"text/html; charset=utf-8", status=410)
    world.store.update(session, session.body, used=True)
    embedded = start_embed_session(world, session.body)
    page = _static("hosted.html").replace("{token}", escape(embedded.id))
    return _text(page, media_type=b"text/html; charset=utf-8", headers=_NO_STORE)


def show_session(world: World, call: Call) -> Answer:
    return _shown(world, _session(world, call))


def settle_action(world: World, call: Call) -> Answer:
    session = _session(world, call)
    sent = call.json()
    check_body(sent, _ANSWER, today=world.clock.today())
    settle(world, session, call["action_id"], accept=sent["answer"] == "accept")
    return _shown(world, session)


def preflight(_world: World, _call: Call) -> Answer:
    answer = empty_answer()
    return Answer(answer.status, answer.body, CORS)


def _session(world: World, call: Call) -> Json:
    """Whose token it is that the script called with. Raises a problem for one that is unknown or has expired."""
    session = find_session(world, call.headers.get("authorization", "").removeprefix("Bearer "), prefix="embed")
    if session is None:
        raise Problem(401, detail="The session is unknown or has expired.")
    return session.body


def _shown(world: World, session: Json) -> Answer:
    kind = "employee" if session["employee_id"] else "employer"
    record = world.store.get(kind, session[f"{kind}_id"])
    if record is None:
        raise Problem(401, detail="The session is of nobody.")
    body = record.body
    name = body["legal_name"] if kind == "employer" else f"{body['first_name']} {body['last_name']}"
    policies = world.store.related("policy" if kind == "employee" else "group_policy", f"{kind}_id", record.id)
    shown = {
        "audience": kind,
        "name": name,
        "status": body["status"],
        "external_customer_id": session["external_customer_id"],
        "covered": any(policy.body["status"] == "active" for policy in policies),
        "actions": [shown_action(action) for action in open_actions(world, session)],
    }
    return json_answer(shown, headers=[*CORS, *_NO_STORE])


def _text(text: str, *, media_type: bytes, status: int = 200, headers: Headers | None = None) -> Answer:
    return Answer(status, text.encode(), [(b"content-type", media_type), *(headers or [])])


def page_router() -> Router[World]:
    router: Router[World] = Router()
    router.add("GET", "/v1", get_script)
    router.add("GET", "/static/hosted.js", get_hosted_script)
    router.add("GET", "/hosted/pages/{token}", open_hosted_page)
    router.add("GET", "/embed/session", show_session)
    router.add("OPTIONS", "/embed/session", preflight)
    router.add("POST", "/embed/actions/{action_id}", settle_action)
    router.add("OPTIONS", "/embed/actions/{action_id}", preflight)
    return router
