"""Contribution reports become final when the host says so, once and for ever."""

from app.sandbox.events import occur
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.problems import wrong_state
from app.sandbox.resources.kind import found
from app.sandbox.resources.registry import maker
from app.sandbox.world import World


def finalize_report(world: World, call: Call) -> Answer:
    record = found(world, "contribution_report", call["contribution_report_id"])
    if record.body["status"] == "finalized":
        raise wrong_state("The report is final already.")
    maker(world).move(record, {}, status="finalized")
    occur(world, "contribution_report.finalized", record)
    return json_answer(world.noise.dressed(record.body))
