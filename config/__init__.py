"""The settings of a deployment: variables, Celery's configuration, logging, and its data files."""
