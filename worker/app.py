"""The Celery app: `python -m celery -A worker.app worker …`.

Task modules are named as strings, so that the rooms keep their arrows: tasks import the app, never the reverse.
"""

from __future__ import annotations

import os
import sys

from celery import Celery

from worker.startup_checks import check_rooms

# Before `config` is imported: another package of that name would only show as a strange ImportError.
if _findings := check_rooms():
    sys.exit("\n".join(finding.message for finding in _findings))

from config.celery_settings import celery_config
from config.log_pipeline import install_celery_logging
from config.lost_connections import outlive_lost_connections
from config.remote_control import restrict_remote_control, unregister_builtin_tasks
from config.settings import Settings, load_settings
from threadrun.errors import SettingsInvalid

TASK_MODULES = (
    "tasks.enqueue",
    "tasks.admit",
    "tasks.create",
    "tasks.poll",
    "tasks.dispatch",
    "tasks.execute",
    "tasks.submit",
    "tasks.cancel",
    "tasks.finalize",
)
"""One file a stage, each with one task."""

# Named, for Celery's worker modules are only needed where a worker starts.
GATED_CONSUMER = "worker.gated_consumer:GatedConsumer"


def create_app(settings: Settings) -> Celery:
    """Build the app from settings."""
    app = Celery("threadrun", set_as_current=True)
    app.config_from_object(
        {**celery_config(settings), "imports": TASK_MODULES, "worker_consumer": GATED_CONSUMER}
    )
    app.threadrun_settings = settings
    install_celery_logging(settings)
    unregister_builtin_tasks(app)
    restrict_remote_control()
    outlive_lost_connections()
    # The steps bring the engine with them; they are only needed where a worker starts.
    app.steps["worker"].update({"worker.steps:RunsStep", "worker.steps:ToolsStep"})
    return app


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsInvalid as error:
        sys.stderr.write(f"{error}\n")  # an operator reads the list of problems, not a traceback
        sys.exit(os.EX_CONFIG)


app = create_app(_settings())
"""The app of this process; Celery finds it here."""
