"""Kinds: the nine kinds of graph, by name, and what each needs to be installed."""

from importlib import util
from typing import Literal, get_args

from model.recipe import Frozen

KindName = Literal[
    "eager_steps",
    "eager",
    "compile_static",
    "compile_dynamic",
    "export_onnx",
    "tensorflow_v1",
    "tf_function",
    "tf_function_signature",
    "padded",
]

KINDS: tuple[KindName, ...] = get_args(KindName)

_NEEDS = {
    "export_onnx": ("onnx", ("onnxruntime", "onnxscript")),
    "tensorflow_v1": ("tensorflow", ("tensorflow",)),
    "tf_function": ("tensorflow", ("tensorflow",)),
    "tf_function_signature": ("tensorflow", ("tensorflow",)),
}


class Kind(Frozen):
    """One kind of graph. `cheap` ones take seconds, the others minutes; `install` brings what is missing."""

    kind: KindName
    framework: Literal["torch", "tensorflow", "onnxruntime"]
    trains: bool
    cheap: bool
    installed: bool
    install: str | None


def needs(name: KindName) -> tuple[str, ...]:
    """The optional modules that a kind imports."""
    return _NEEDS.get(name, ("", ()))[1]


def kind(name: KindName) -> Kind:
    """A kind's description, made without importing its framework."""
    extra, modules = _NEEDS.get(name, (None, ()))
    installed = all(util.find_spec(module) is not None for module in modules)
    return Kind(
        kind=name,
        framework={"onnx": "onnxruntime", "tensorflow": "tensorflow", None: "torch"}[extra],  # type: ignore[arg-type]
        trains=name != "export_onnx",
        cheap=not name.startswith("compile"),
        installed=installed,
        install=None if installed else f"pip install 'unrolled[{extra}]'",
    )
