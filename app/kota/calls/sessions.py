"""Tokens for Kota's embed and links to its hosted pages.

Every call and every attempt has a key of its own: a repeated one would hand back the old token.
"""

from uuid import uuid4

from app.kota.caller import Calls, ModelT, parsed
from app.kota.connection import Request
from app.kota.schemas.sessions import EmbedSession, HostedSession
from app.kota.wire import serialise

# Less than a person who waits gives up after, and less than most proxies.
_WITHIN = 7.0


class SessionCalls(Calls):
    async def create_embed_session(
        self,
        employer_id: str,
        *,
        employee_id: str | None = None,
        external_customer_id: str | None = None,
        within: float = _WITHIN,
    ) -> EmbedSession:
        """A token for the employer, or for one employee of it. `within` bounds the whole call, in seconds.

        An employer-of-record platform must name its customer in employer sessions (Kota's OpenAPI).
        """
        ids = {"employer_id": employer_id, "employee_id": employee_id, "external_customer_id": external_customer_id}
        body = serialise({name: value for name, value in ids.items() if value is not None})
        return await self._create(EmbedSession, "/embed/sessions", body, within=within)

    async def create_hosted_session(
        self, employer_id: str, *, employee_id: str, within: float = _WITHIN
    ) -> HostedSession:
        """A link for one employee, good for one use within 60 minutes. `within` bounds the whole call, in seconds."""
        body = serialise({"employer_id": employer_id, "employee_id": employee_id})
        return await self._create(HostedSession, "/hosted/sessions", body, within=within)

    async def _create(self, model: type[ModelT], template: str, body: bytes, *, within: float) -> ModelT:
        def newly_made() -> Request:
            return Request("POST", template, body=body, idempotency_key=str(uuid4()))

        answer = await self._caller.write_for_person(newly_made, within=within)
        return parsed(model, answer, operation=f"POST {template}")
