"""Reading resources: one by its id, and lists with filters."""

from collections.abc import Callable, Sequence

from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.paging import chosen, paged
from app.sandbox.problems import missing
from app.sandbox.resources.kind import found
from app.sandbox.resources.registry import KINDS
from app.sandbox.store import INDEXES, Json
from app.sandbox.world import World

Handler = Callable[[World, Call], Answer]


def get_one(kind: str, *, of: str | None = None) -> Handler:
    """By the last parameter of the path. `of` is the first one, which the resource has to have as a member."""

    def handle(world: World, call: Call) -> Answer:
        *_, record_id = call.path_params.values()
        record = found(world, kind, record_id)
        if of is not None and record.body[of] != call[of]:
            raise missing(kind.replace("_", " "))
        return json_answer(world.noise.dressed(record.body))

    return handle


def get_list(
    kind: str,
    *,
    of: str | None = None,
    parent: str | None = None,
    filters: Sequence[str] = (),
    default: frozenset[str] | None = None,
    newest_first: bool = True,
) -> Handler:
    """`of` is a parameter of the path, `filters` are ones of the query; both are members of the resource.

    A `parent` is a kind that the first of these names, and has to exist. `default` are the statuses that are shown
    if none is asked for.
    """

    def handle(world: World, call: Call) -> Answer:
        wanted = {name: call.query[name] for name in filters if call.query.get(name)}
        if of is not None:
            wanted = {of: call[of], **wanted}
        if parent is not None and of is not None:
            found(world, parent, call[of])
        statuses = chosen(call, "status", allowed=frozenset(KINDS[kind].states)) or default
        # The first one with an index is looked up, the rest is compared.
        by = next((item for item in wanted.items() if item[0] in INDEXES.get(kind, ())), None)
        rest = [item for item in wanted.items() if item != by]

        def where(body: Json) -> bool:
            return (statuses is None or body["status"] in statuses) and all(body[name] == value for name, value in rest)

        listing = world.store.listed(kind, by=by, where=where if statuses or rest else None)
        return paged(call, listing, noise=world.noise, newest_first=newest_first)

    return handle


def list_memberships(world: World, call: Call) -> Answer:
    """The employees of a group. Their ids are the employees' own."""
    employee_id = call.query.get("employee_id")

    def where(body: Json) -> bool:
        return not body.get("removed") and employee_id in (None, body["id"])

    return paged(
        call, world.store.listed("group_employee", by=("group_id", call["group_id"]), where=where), noise=world.noise
    )


def list_reports(world: World, call: Call) -> Answer:
    """Filtered, beside the usual, by the year and month in which the period starts."""
    year, month = call.query.get("year", ""), call.query.get("month", "")
    start = f"{year}-{month.zfill(2)}" if month else year
    statuses = chosen(call, "status", allowed=frozenset(KINDS["contribution_report"].states))
    names = [name for name in ("employer_id", "external_customer_id") if call.query.get(name)]

    def where(body: Json) -> bool:
        return (
            (statuses is None or body["status"] in statuses)
            and body["period"]["from_date"].startswith(start)
            and all(body[name] == call.query[name] for name in names)
        )

    return paged(call, world.store.listed("contribution_report", where=where), noise=world.noise)


def get_breakdown(world: World, call: Call) -> Answer:
    record_id = f"{call['contribution_report_id']}/{call['employee_id']}"
    return json_answer(world.noise.dressed(found(world, "employee_breakdown", record_id).body))
