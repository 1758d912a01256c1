"""Flower's configuration: `python -m celery -A worker.app flower --conf=config/flowerconfig.py`.

Flower executes this file and takes the names that are options of its own (flower/options.py of Flower 2.2);
this is the one file of the project that works when it is loaded.
"""

from __future__ import annotations

import hashlib
import sys

import flower.events

from config.flower_events import DiscreetEvents
from config.log_pipeline import configure_logging
from config.settings import Settings, load_settings
from config.variables import variable_name
from threadrun.errors import Problem, SettingsInvalid

_settings = load_settings()


def _login(settings: Settings) -> tuple[str, str]:
    user, password = settings.flower.user, settings.flower.password
    if user and password:
        return user, password.get_secret_value()
    text = "is required: Flower shows every task, so it does not start without a user and a password"
    missing = [path for path, value in (("flower.user", user), ("flower.password", password)) if not value]
    problems = [Problem(variable_name(path), text) for path in missing]
    sys.exit(str(SettingsInvalid(problems)))  # an operator reads the text, not a traceback


_user, _password = _login(_settings)
configure_logging(_settings.log, secrets=_settings.secret_values())

flower.events.EventsState = DiscreetEvents

address = "127.0.0.1"
port = _settings.flower.port
basic_auth = [f"{_user}:{_password}"]
# Kept from start to start, so that a restart does not invalidate open pages.
cookie_secret = hashlib.scrypt(_password.encode(), salt=b"threadrun flower", n=2**14, r=8, p=1).hex()
read_only = True
# Workers send their events anyway, and take no orders.
enable_events = False
persistent = False
max_tasks = 20_000
purge_offline_workers = 86_400
natural_time = False
tasks_columns = "name,uuid,state,args,kwargs,received,runtime,worker"
if _settings.flower.url_prefix:
    url_prefix = _settings.flower.url_prefix.strip("/")
