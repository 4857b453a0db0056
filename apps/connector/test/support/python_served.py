"""Serves a connector on a free port of loopback, which it prints."""

import asyncio
import os

import grpc


def serve(*adds):
    """Serves what these add to a server."""
    asyncio.run(_serve(adds))


async def _serve(adds):
    server = grpc.aio.server()
    for add in adds:
        add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    # Nobody reads on, and a pipe that is full would stop it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    await server.wait_for_termination()
