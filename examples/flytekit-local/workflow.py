from flytekit import task, workflow
from flytekitplugins.spark import DatabricksV2

CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "m5.xlarge", "num_workers": 1}


@task(
    task_config=DatabricksV2(databricks_conf={"run_name": "greetings", "new_cluster": CLUSTER}),
    container_image="example.com/spark:v1",
)
def greet(name: str) -> str:
    return f"hello {name}"


@task
def shout(text: str) -> str:
    return text.upper()


@workflow
def greetings(name: str) -> str:
    return shout(text=greet(name=name))
