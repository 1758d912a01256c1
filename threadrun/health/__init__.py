"""Look at the surroundings that threadrun works in, and say what is wrong and how to mend it."""

from threadrun.health.finding import Finding, Severity, error, warning
from threadrun.health.redis_checks import MINIMUM_REDIS, check_redis

__all__ = ["MINIMUM_REDIS", "Finding", "Severity", "check_redis", "error", "warning"]
