"""Writes requests.json: what Flyte sends for the tour's tasks, serialised by flytekit itself.

Run with the Python of `npm run setup:python`:

    .venv/bin/python apps/tour/flytekit/serialize.py > apps/tour/flytekit/requests.json
"""

import base64
import json

from flyteidl.admin import agent_pb2
from flyteidl.core import identifier_pb2
from flytekit import task
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable
from flytekitplugins.spark import DatabricksV2

CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "m5.xlarge", "num_workers": 2}


def config(name: str, **auth: str) -> DatabricksV2:
    return DatabricksV2(databricks_conf={"run_name": name, "new_cluster": dict(CLUSTER)}, **auth)


@task(task_config=config("fraud-features"))
def fraud_features(day: str) -> str:
    return day


@task(task_config=config("price-curves"))
def price_curves(day: str) -> str:
    return day


@task(task_config=config("weekly-report"))
def weekly_report(day: str) -> str:
    return day


@task(task_config=config("index-refresh", databricks_auth_type="oauth_m2m"))
def index_refresh(day: str) -> str:
    return day


@task(task_config=config("stock-levels", databricks_auth_type="oauth_m2m"))
def stock_levels(day: str) -> str:
    return day


@task(task_config=config("nightly-invoices", databricks_auth_type="pat"))
def nightly_invoices(day: str) -> str:
    return day


@task(task_config=config("campaign-scores", databricks_auth_type="oauth_m2m"))
def campaign_scores(day: str) -> str:
    return day


TASKS = [
    (fraud_features, "fraud", "production"),
    (price_curves, "pricing", "production"),
    (weekly_report, "reports", "development"),
    (index_refresh, "search", "production"),
    (stock_levels, "stock", "production"),
    (nightly_invoices, "billing", "production"),
    (campaign_scores, "growth", "staging"),
]


def request(function, project: str, domain: str) -> agent_pb2.CreateTaskRequest:
    settings = SerializationSettings(
        project=project,
        domain=domain,
        version="v1",
        image_config=ImageConfig(default_image=Image("default", "example.com/spark", "v1")),
    )
    template = get_serializable({}, settings, function).template.to_flyte_idl()
    execution = identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name="f0c1d2e3")
    return agent_pb2.CreateTaskRequest(
        template=template,
        output_prefix=f"s3://flyte/{project}/{domain}/f0c1d2e3/n0/0",
        task_execution_metadata=agent_pb2.TaskExecutionMetadata(
            task_execution_id=identifier_pb2.TaskExecutionIdentifier(
                task_id=template.id,
                node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution),
            ),
            namespace=f"{project}-{domain}",
        ),
    )


if __name__ == "__main__":
    requests = {
        function.task_config.databricks_conf["run_name"]: base64.b64encode(
            request(function, project, domain).SerializeToString(deterministic=True)
        ).decode()
        for function, project, domain in TASKS
    }
    print(json.dumps(requests, indent=2))
