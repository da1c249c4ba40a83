"""A bare FastAPI application that answers a body with itself, under the same uvicorn settings as ours."""

from typing import Any

import uvicorn
from fastapi import FastAPI

from app.serving.listening import listen

app = FastAPI()


@app.post("/echo")
async def echo(body: dict[str, Any]) -> dict[str, Any]:
    return body


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    listening = listen("127.0.0.1", 0)
    print(f"echo is at http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])
