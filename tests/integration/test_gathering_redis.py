"""The engine's Redis client: what is asked for together is sent together, and answered each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from config.settings import Settings
from threadrun.testing.embedded_redis import EmbeddedRedis
from worker.gathering_redis import MAX_TOGETHER, GatheringRedis
from worker.redis_clients import async_redis_client
