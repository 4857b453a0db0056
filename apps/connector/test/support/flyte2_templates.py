"""Task templates as Flyte 2's SDK serialises them: of examples/flyte2, of the SDK's own task beside it, and of
one with a pod template.

Prints one line of JSON: the name of each, and its template in base64.
"""

import base64
import dataclasses
import json

import flyte
import workflow
from flyte._internal.runtime.task_serde import translate_task_to_wire
from flyte.models import SerializationContext
from flyteplugins.databricks import Databricks

config = workflow.env.plugin_config
own = flyte.TaskEnvironment(name="own", plugin_config=Databricks(databricks_conf=config.databricks_conf), image="i:v1")
podded = flyte.TaskEnvironment(
    name="podded", plugin_config=config, image="i:v1", pod_template=flyte.PodTemplate(labels={"team": "billing"})
)
naming = flyte.TaskEnvironment(
    name="naming", plugin_config=dataclasses.replace(config, databricks_token="my-token"), image="i:v1"
)


@own.task
def of_the_sdk(name: str) -> str:
    return name


@podded.task
def with_a_pod_template(name: str) -> str:
    return name


@naming.task
def naming_a_secret(name: str) -> str:
    return name


context = SerializationContext(version="v1", project="billing", domain="production", org="acme", root_dir=".")
tasks = {"example": workflow.greet, "sdk": of_the_sdk, "naming": naming_a_secret, "pod": with_a_pod_template}
templates = {name: translate_task_to_wire(task, context).task_template for name, task in tasks.items()}
print(json.dumps({name: base64.b64encode(each.SerializeToString()).decode() for name, each in templates.items()}))
