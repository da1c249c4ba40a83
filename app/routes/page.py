"""The page and everything it loads, from this server alone."""

import asyncio
import gzip
import hashlib
import mimetypes
import posixpath
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli
import plotly
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

STATIC = Path(__file__).parents[2] / "static"

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"  # a file may be kept, but its ETag is checked each time
_PRELOAD = '<link rel="modulepreload" href="{{module}}">\n'
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*\bfrom "(\.[^"]+)"', re.M)
"""What a module must have before it runs; what it asks for later is `import("…")`."""
_MAPS = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')
"""Plotly's script makes a style sheet for maps, of which the page has none, unless there is an element of this id."""


def modules(first: str = "main.js") -> list[str]:
    """A module and all that it imports, near ones first: a browser that is told of them asks for all at once."""
    found = [first]
    for name in found:
        named = _IMPORT.findall((STATIC / name).read_text("utf-8"))
        paths = dict.fromkeys(posixpath.normpath(posixpath.join(posixpath.dirname(name), each)) for each in named)
        found += [path for path in paths if path not in found]
    return found


class Page:
    """The page's routes. Plotly's script is read from the installed package and compressed after the start."""

    def __init__(self) -> None:
        self._script = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
        self._name = f"plotly-{hashlib.sha256(self._script).hexdigest()[:16]}.min.js"
        index = (STATIC / "index.html").read_text("utf-8").replace("{{plotly}}", f"assets/{self._name}")
        preloads = "".join(_PRELOAD.replace("{{module}}", f"static/{name}") for name in modules())
        index = index.replace(_PRELOAD, preloads)
        maps = _MAPS.search(self._script)
        self._index = index.replace("{{maps}}", maps[1].decode() if maps else "no-maps")
        self._docs = (STATIC / "docs.html").read_text("utf-8")
        self._files = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*.*") if path.is_file()}
        self._encoded: dict[str, bytes] = {}

    async def compress(self) -> None:
        """Make the compressed forms of Plotly's script; until then it is sent as it is."""
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(1, "compress")
        # brotli 5 gives 1.3 MB of 4.7 in 0.2 s; its best takes 10 s of CPU for 0.2 MB less
        self._encoded["br"] = await loop.run_in_executor(pool, lambda: brotli.compress(self._script, quality=5))
        self._encoded["gzip"] = await loop.run_in_executor(pool, lambda: gzip.compress(self._script, 6, mtime=0))
        pool.shutdown(wait=False)

    def routes(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse)
        async def index() -> Response:
            return HTMLResponse(self._index, headers={"Cache-Control": _ASK_AGAIN})

        @router.api_route("/docs", methods=["GET", "HEAD"], response_class=HTMLResponse)
        async def docs() -> Response:
            # Swagger's files come from the package that mounts them; its own page has a script in it
            return HTMLResponse(self._docs, headers={"Cache-Control": _ASK_AGAIN})

        @router.get(f"/assets/{self._name}")
        async def script(request: Request) -> Response:
            headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
            offered = request.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
            accepted = {part.partition(";")[0] for part in offered if not re.search(r";q=0(\.0*)?$", part)}
            body = self._script
            for encoding, encoded in self._encoded.items():
                if encoding in accepted:
                    body = encoded
                    headers["Content-Encoding"] = encoding
                    break
            return Response(body, headers=headers, media_type="text/javascript")

        @router.api_route("/static/{name:path}", methods=["GET", "HEAD"])
        async def file(request: Request, name: str) -> Response:
            # the name is looked up, never made into a path; and without a thread, since each of them is small
            if name not in self._files:
                raise HTTPException(404)
            body = self._files[name].read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            headers = {"Cache-Control": _ASK_AGAIN, "ETag": tag}
            if tag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            return Response(body, headers=headers, media_type=mimetypes.guess_type(name)[0])

        return router
