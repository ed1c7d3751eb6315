"""What a sandbox can be told, by environment variables that start with SANDBOX_ or by the command line."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaList = Annotated[list[str], NoDecode, BeforeValidator(_split)]
Version = Literal["v1", "v2"]
Versions = Annotated[list[Version], NoDecode, BeforeValidator(_split)]
Probability = Annotated[float, Field(ge=0, le=1)]

# Kota's worst published or plausible manners, which `kind` turns off where nobody set them by hand.
_KIND: dict[str, object] = {
    "list_lag": 0.0,
    "normalise": False,
    "drift": 0.0,
    "duplicates": 0.0,
    "reorders": 0.0,
    "answers_late": 0.0,
}


# What may change while the sandbox runs.
CHANGEABLE = frozenset(
    {
        "webhook_url",
        "webhook_secrets",
        "webhook_versions",
        "signature_encoding",
        "signature_unit",
        "activation_delay",
        "latency_ms",
        "drift",
        "duplicates",
        "reorders",
        "losses",
        "answers_late",
    }
)


class SandboxSettings(BaseSettings):
    """Durations are seconds, but for `latency_ms`."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", extra="ignore", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = 8001
    public_url: str | None = Field(None, description="Where browsers reach the sandbox; host and port by default.")
    data_dir: Path | None = Field(None, description="Where the journal is kept; in memory without it.")
    seed: int = Field(0, description="Of every random decision.")

    api_keys: CommaList = Field(["pk_test_sandbox"], min_length=1, description="Several, so that one can be rotated.")
    platform_id: str = "pt_00000000000000000000000000000001"
    platform_type: Literal["payroll_provider", "employer_of_record"] = "payroll_provider"

    webhook_url: str | None = None
    webhook_secrets: CommaList = Field(default=[], description="Each signs every delivery.")
    webhook_versions: Versions = Field(default=["v2"], min_length=1)
    webhook_timeout: float = Field(5.0, gt=0)
    webhook_connections: int = Field(8, ge=1)
    signature_encoding: Literal["hex", "base64"] = "hex"
    signature_unit: Literal["seconds", "milliseconds"] = "seconds"
    retry_scale: float = Field(0.01, ge=0, description="Times Kota's nine attempts over three days.")

    activation_delay: float = Field(1.0, ge=0, description="From pending to active, when nothing else is in the way.")
    session_lifetime: float = Field(3600.0, gt=0)
    latency_ms: float = Field(0.0, ge=0)

    kind: bool = Field(default=False, description="Turns the unkind defaults below off.")
    list_lag: float = Field(2.0, ge=0, description="Lists show what was written this long ago.")
    normalise: bool = Field(default=True, description="Stores text in Kota's own form.")
    drift: Probability = Field(0.02, description="Of an unknown enum value or a renamed member in an answer.")
    duplicates: Probability = Field(0.05, description="Of a webhook being delivered once more; four times at most.")
    reorders: Probability = Field(0.1, description="Of a webhook being overtaken by others.")
    losses: Probability = Field(0.0, description="Of a webhook never being sent.")
    answers_late: Probability = Field(0.05, description="Of an answer being held back until its webhook is out.")

    @model_validator(mode="after")
    def _be_kind(self) -> Self:
        if self.kind:
            for name, value in _KIND.items():
                if name not in self.model_fields_set:
                    setattr(self, name, value)
        return self

    @property
    def base_url(self) -> str:
        """Without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")
