"""Asks Flyte's own Databricks connector for the bodies of many tasks: a JSON list on stdin, a JSON list on stdout."""

import json
import os
import sys
from types import SimpleNamespace

from flytekitplugins.spark import connector

PROVIDER = connector.DEFAULT_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER_ENV_KEY


def answer(task):
    os.environ.pop(PROVIDER, None)
    if task["provider"] is not None:
        os.environ[PROVIDER] = task["provider"]
    container = None if task["container"] is None else SimpleNamespace(**task["container"])
    template = SimpleNamespace(custom=task["custom"], container=container)
    try:
        return {"body": json.dumps(connector._get_databricks_job_spec(template))}
    except Exception as error:
        return {"raised": type(error).__name__}


# A protobuf Struct has only doubles.
tasks = json.load(sys.stdin, parse_int=float)
json.dump([answer(task) for task in tasks], sys.stdout)
