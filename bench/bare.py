"""Our server, and beside it a page that only loads Plotly and draws one chart, with a chunk's data in it."""

import re

import uvicorn
from fastapi import Response
from fastapi.responses import HTMLResponse

from app.main import create_app
from app.routes.page import Page
from app.serving.listening import listen
from app.settings import Settings
from model.recipe import Recipe
from model.signal import Signal

PAGE = """<!doctype html><html lang="en"><head><title>bare</title><script defer src="{plotly}"></script>
<script defer src="bare.js"></script></head><body><div id="wave" style="height:400px"></div></body></html>"""

SCRIPT = """Plotly.newPlot("wave", [{{x: {x}, y: {y}, mode: "lines", line: {{color: "#1b66a8"}}}}]);"""

if __name__ == "__main__":
    app = create_app(Settings())
    plotly = re.findall(r"assets/plotly[^\"]+", Page()._index)[0]
    chunk = Signal(Recipe()).next()
    script = SCRIPT.format(x=chunk.t[0].tolist(), y=chunk.target[0].tolist())

    @app.get("/bare")
    async def bare() -> HTMLResponse:
        return HTMLResponse(PAGE.format(plotly=plotly))

    @app.get("/bare.js")
    async def bare_script() -> Response:
        return Response(script, media_type="text/javascript")

    listening = listen("127.0.0.1", 0)
    print(f"bare is at http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="websockets-sansio", server_header=False)
    uvicorn.Server(config).run(sockets=[listening])
