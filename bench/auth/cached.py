"""What a cached header costs in Python: nanoseconds per call of each contender and round, as JSON.

Arguments: identities that are hot, calls, rounds.
"""

import asyncio
import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

os.environ["DATABRICKS_CLIENT_SECRET"] = "secret"

from databricks.sdk.oauth import Refreshable, Token  # noqa: E402
from flytekitplugins.spark import databricks_auth  # noqa: E402

hot, calls, rounds = (int(argument) for argument in sys.argv[1:4])
token = "t" * 900


class Source(Refreshable):
    """The SDK's own cache, over tokens that need no network."""

    def refresh(self) -> Token:
        return Token(token, "Bearer", expiry=datetime.now(tz=timezone.utc) + timedelta(hours=1))


async def main() -> None:
    workspace = "dbc-a1b2.cloud.databricks.com"
    # Without a namespace: with one, the plugin asks Kubernetes for the Secret before it looks into its cache.
    plugin = [databricks_auth.build_auth(workspace, "oauth_m2m", client_id=f"client-{i}") for i in range(hot)]
    for auth in plugin:
        await databricks_auth._TOKEN_CACHE.put((workspace, auth.settings.client_id, "_"), token, 3600)
    sources = [Source(disable_async=False) for _ in range(hot)]
    for source in sources:
        source.token()

    async def of_plugin(index: int) -> str:
        return f"Bearer {await plugin[index % hot].get_bearer_token(None)}"

    def of_sdk(index: int) -> dict:
        held = sources[index % hot].token()
        return {"Authorization": f"{held.token_type} {held.access_token}"}

    results = {"Flyte's Python connector": [], "databricks-sdk-py": []}
    for round in range(rounds + 1):
        start = time.perf_counter_ns()
        for index in range(calls):
            await of_plugin(index)
        between = time.perf_counter_ns()
        for index in range(calls):
            of_sdk(index)
        end = time.perf_counter_ns()
        # The first round warms up.
        if round > 0:
            results["Flyte's Python connector"].append((between - start) / calls)
            results["databricks-sdk-py"].append((end - between) / calls)
    print(json.dumps(results))


asyncio.run(main())
