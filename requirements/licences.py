"""`make licences`: prints docs/licences.md, what the image ships and under which licence.

It ships what torch-cpu.txt and run.txt pin; what each is licensed under says its metadata, as installed here.
"""

import re
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

HERE = Path(__file__).parent
TEXT = """# Licences of what is shipped

Written by `make licences`. The image has these packages in it, without CUDA; with `--build-arg EXTRAS=…` it also has
those of `requirements/….txt`. The text of each licence is in the image, in the package's `*.dist-info` under
`/opt/unrolled/lib`; Python and Debian are as the base image brings them, with their licences in its `/usr/share/doc`.

No package is under the GPL, LGPL or AGPL. orjson is under the MPL in part: its files stay under it, and whoever only
uses them owes nothing more. numpy and torch bring along three of GCC's runtime libraries: libgfortran and libgomp are
under the GPL with GCC's exception, by which programs under any licence may be linked with them; libquadmath is under
the LGPL.

| package | version | licence |
| --- | --- | --- |
"""
ASSETS = """
The page and `/docs` send these to browsers, from within the packages named:

| what | from | licence |
| --- | --- | --- |
| plotly.js | plotly | MIT |
| Swagger UI | fastapi-offline | Apache-2.0 |

fastapi-offline has ReDoc (MIT) in it too, which is not served. Everything else that the server sends is the project's
own, under its [LICENSE](../LICENSE): scripts, styles, pictures. No fonts are sent.
"""
CLASSIFIERS = {"MIT License": "MIT", "BSD License": "BSD-3-Clause", "Apache Software License": "Apache-2.0"}
LOOSE = {
    "MIT License": "MIT",
    "Apache License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
}


def shipped() -> dict[str, str]:
    """Names and versions of what the image has in it."""
    pins = "".join((HERE / f"{name}.txt").read_text() for name in ("torch-cpu", "run"))
    return dict(sorted(re.findall(r"^([\w.-]+)==([\w.+]+)", pins, re.M)))


def licence(package: Distribution) -> str:
    """Its SPDX expression, or what older metadata has in its place, which is a name or a text that begins with one."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    if "License" in metadata and len(said := metadata["License"].strip().splitlines()[0]) < 30:
        return LOOSE.get(said, said)
    kinds = [line.split(" :: ")[-1] for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    return " AND ".join(CLASSIFIERS.get(kind, kind) for kind in kinds)


def main() -> None:
    rows = (f"| {name} | {version} | {licence(distribution(name))} |\n" for name, version in shipped().items())
    sys.stdout.write(TEXT + "".join(rows) + ASSETS)


if __name__ == "__main__":
    main()
