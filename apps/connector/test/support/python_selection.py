"""Who Flyte's own connector, in some version, takes a task for: its own code, in a world that is told to it.

Reads a world as JSON from each line of standard input, and writes one line of JSON for it: the bearer token that the task's
submit would carry, or the error. The Kubernetes API and the token endpoint are not there; everything else is Flyte's.
"""

import asyncio
import base64
import json
import os
import sys
from types import SimpleNamespace

from flytekitplugins.spark import connector
from kubernetes import client, config

try:
    from flytekitplugins.spark import databricks_auth
except ImportError:
    databricks_auth = None

world = {}


def found(path):
    answer = world["kubernetes"].get(path)
    if isinstance(answer, int):
        raise client.exceptions.ApiException(status=answer)
    if answer is None:
        raise client.exceptions.ApiException(status=404)
    return answer


class CoreV1Api:
    def read_namespaced_secret(self, name, namespace):
        data = found(f"{namespace}/secrets/{name}")
        return SimpleNamespace(data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()})

    def list_namespaced_service_account(self, namespace, label_selector):
        assert label_selector == "flyte.org/databricks-enabled=true"
        answer = world["kubernetes"].get(f"{namespace}/serviceaccounts", {})
        if isinstance(answer, int):
            raise client.exceptions.ApiException(status=answer)
        accounts = [
            SimpleNamespace(metadata=SimpleNamespace(name=name, annotations=annotations))
            for name, annotations in answer.items()
        ]
        return SimpleNamespace(items=accounts)

    def create_namespaced_service_account_token(self, name, namespace, body):
        token = f"{namespace}:{name}:{','.join(body.spec.audiences)}"
        return SimpleNamespace(status=SimpleNamespace(token=token))


client.CoreV1Api = CoreV1Api
config.load_incluster_config = lambda: None


class Answer:
    """What the token endpoint gives: a token that says with what it was got."""

    status = 200

    def __init__(self, form):
        self.form = form

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return False

    async def text(self):
        secret = self.form.get("client_secret") or self.form["subject_token"]
        return json.dumps({"access_token": f"{self.form['client_id']}/{secret}", "expires_in": 3600})


class Session:
    def post(self, url, data, headers):
        return Answer(data)


def bearer_of_pat():
    """As `create` has it in versions that know nothing but PATs."""
    if not hasattr(connector, "get_databricks_token"):
        return connector.get_header()["Authorization"].removeprefix("Bearer ")
    return connector.get_databricks_token(
        namespace=world["namespace"], secret_name=world["custom"].get("databricksTokenSecret")
    )


async def bearer():
    if databricks_auth is None:
        return bearer_of_pat()
    databricks_auth._TOKEN_CACHE._store.clear()
    databricks_auth._NAMESPACE_DISCOVERY_CACHE._store.clear()
    auth = await databricks_auth.select_auth(
        task_template=SimpleNamespace(custom=world["custom"]),
        workspace_url="dbc-a1b2.cloud.databricks.com",
        namespace=world["namespace"],
    )
    return await auth.get_bearer_token(Session())


own = dict(os.environ)
for line in sys.stdin:
    world = json.loads(line)
    os.environ.clear()
    os.environ.update({**own, **world["env"]})
    if databricks_auth is not None:
        databricks_auth.DEFAULT_PROJECTED_SA_TOKEN_PATH = world["defaultTokenFile"]
    try:
        answer = {"bearer": asyncio.run(bearer())}
    except Exception as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
