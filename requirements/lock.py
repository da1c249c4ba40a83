"""`make lock`: writes the requirements files of this folder, every pin with the hashes of its files.

The names come from pyproject.toml, the versions from constraints.txt, the hashes from the package index. run.txt is
what the service needs but torch, and each extra's file is what that extra needs beyond it. Of torch there are two:
torch-cpu.txt is that of PyTorch's own index, whose hashes torch-cpu.sha256 has, and torch.txt that of the default
index, with what it needs of CUDA on Linux.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent
HEADER = "# Written by make lock. To install: pip install --no-deps --require-hashes -r FILE\n"
TORCH = re.compile(r"(nvidia|cuda)-|(triton|torch)$")
EVERYWHERE = re.compile(r" ; python_full_version < '[\d.]+' and implementation_name == 'cpython' and \([^()]+\)(?= \\)")
"""The marker of what is needed in all environments that pyproject.toml has under tool.uv."""


def resolved(*sources: str) -> dict[str, str]:
    """All packages that these sources come to: name → pin, marker and hashes, as pip reads them."""
    command = [Path(sys.executable).with_name("uv"), "pip", "compile", *sources, "--python", sys.executable]
    command += ["--universal", "--generate-hashes", "--constraints", "constraints.txt"]
    command += ["--no-annotate", "--no-header", "--no-emit-index-url", "--quiet"]
    text = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
    return {
        block.split("==")[0]: EVERYWHERE.sub("", block) for block in re.split(r"^(?=\w)", text, flags=re.M) if block
    }


def write(name: str, blocks: dict[str, str]) -> None:
    (HERE / f"{name}.txt").write_text(HEADER + "".join(blocks[name] for name in sorted(blocks)))


def main() -> None:
    run = resolved("pyproject.toml")
    torch = {name: run.pop(name) for name in list(run) if TORCH.match(name)}
    write("torch", torch)
    wheels = re.findall(r"^([0-9a-f]{64})  torch-([^-]+)-", (HERE / "torch-cpu.sha256").read_text(), re.M)
    hashes = " \\\n".join(f"    --hash=sha256:{digest}" for digest, _ in wheels)
    write("torch-cpu", {"torch": f"torch=={wheels[0][1]} \\\n{hashes}\n"})
    write("run", run)
    for extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]:
        needed = resolved("pyproject.toml", "--extra", extra)
        write(extra, {name: needed[name] for name in needed if name not in {*run, *torch}})
    write("supply", resolved("requirements/supply.in"))


if __name__ == "__main__":
    main()
