"""A caller is a type: a route that takes one is closed to everybody else, and a route without one is public."""

from typing import Annotated

from fastapi import Depends, Request

from app.auth.authenticators import Authenticators
from app.auth.frontend_tokens import FrontendUser
from app.auth.scopes import Scope
from app.auth.service_keys import ServiceCaller
from app.errors import Forbidden, Unauthenticated
from app.web.routing import Guard

MAX_CREDENTIAL = 8192
"""Bytes. No token or key of a host comes near it; longer ones are not even parsed."""


def bearer(request: Request) -> str:
    """The one bearer credential of the request; Unauthenticated if there is none, or more than one."""
    values = request.headers.getlist("authorization")
    if len(values) != 1 or len(values[0]) > MAX_CREDENTIAL:
        raise Unauthenticated
    scheme, _, credential = values[0].partition(" ")
    if scheme.lower() != "bearer" or not credential or " " in credential:
        raise Unauthenticated
    return credential


def _authenticators(request: Request) -> Authenticators:
    authenticators = request.app.state.authenticators
    if not isinstance(authenticators, Authenticators):
        raise TypeError("the application was started without its authenticators")
    return authenticators


class FrontendGuard(Guard[FrontendUser]):
    """Lets in a person whose identity the host signed."""

    def __init__(self) -> None:
        super().__init__(scheme_name="frontend", description="The host's own JWT of the signed-in person")

    async def admit(self, request: Request) -> FrontendUser:
        return await _authenticators(request).frontend.verify(bearer(request))


class ServiceGuard(Guard[ServiceCaller]):
    """Lets in a backend of the host that holds a service key with this scope."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scheme_name="service", description="A service key of the host's backend")
        self.scope = scope

    async def admit(self, request: Request) -> ServiceCaller:
        caller = await _authenticators(request).service.verify(bearer(request))
        if self.scope not in caller.scopes:
            raise Forbidden(f"The key lacks the scope {self.scope.value}.")
        return caller


User = Annotated[FrontendUser, Depends(FrontendGuard())]
SyncCaller = Annotated[ServiceCaller, Depends(ServiceGuard(Scope.SYNC))]
SessionsCaller = Annotated[ServiceCaller, Depends(ServiceGuard(Scope.SESSIONS))]
EventsCaller = Annotated[ServiceCaller, Depends(ServiceGuard(Scope.EVENTS))]
ReportsCaller = Annotated[ServiceCaller, Depends(ServiceGuard(Scope.REPORTS))]
OffboardingCaller = Annotated[ServiceCaller, Depends(ServiceGuard(Scope.OFFBOARDING))]
MetricsCaller = Annotated[ServiceCaller, Depends(ServiceGuard(Scope.METRICS))]
AdminCaller = Annotated[ServiceCaller, Depends(ServiceGuard(Scope.ADMIN))]
