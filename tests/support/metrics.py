"""What the metrics of this process say."""

from prometheus_client import REGISTRY


def unexpected_errors(where: str) -> float:
    """How many exceptions nobody expected in the lane, the task or the edge of this name."""
    return REGISTRY.get_sample_value("kota_bff_unexpected_errors_total", {"where": where}) or 0.0
