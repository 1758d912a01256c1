"""The Celery tasks: thin faces of the engine, one file a stage."""
