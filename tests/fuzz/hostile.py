"""Hostile checkpoints of every kind that we could think of, as hypothesis strategies of bytes."""

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from model.checkpoint import MAX_BYTES, MAX_HEADER_BYTES, METADATA
from model.recipe import MOST_CHANGES
from tests.fuzz.blobs import Parts, good, packed

Draw = Any  # of hypothesis: from a strategy, a value

INTEGERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 5, 120, 1000, 2000, 2**31, 2**52, 2**52 + 1, 2**53, 2**53 + 1, 2**63, -(2**63)]),
    st.integers(-3, 200),
    st.integers(),
    st.just(10**400),
)  # fmt: skip
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 5e-324, 1e-5, 0.02, 1.0, 3.4e38, 3.5e38, 1.7e308, -1.7e308]),
    st.floats(allow_nan=False, allow_infinity=False),
)
ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "\0", "\x1b[31m", "\u202e", "\ufeff", "💥", "é" * 50, "rnn", "sine", "1", "nan", "__proto__"]),
    st.builds(
        lambda piece, count: piece * count, st.sampled_from(["x", '"', "\\", "\0", "é", "\n"]), st.integers(0, 30_000)
    ),
)  # fmt: skip
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    FLOATS,
    ODD_TEXT,
    st.recursive(
        INTEGERS | st.none(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=8,
    ),
    st.sampled_from([10, 100, 800]).map(lambda depth: json.loads("[" * depth + "]" * depth)),
)  # fmt: skip
RAW = st.sampled_from(
    ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "1e-999", "0.1e1", "1.0", "-0", "01", "+1", "0x10",
     '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', "tru", "[" * 20_000, "[" * 20_000 + "]" * 20_000, '{"a":' * 9000,
     "{}", "[]", '""', "null", ""]
)  # fmt: skip
"""JSON as Python's own writer would not write it."""


def parts(draw: Draw) -> Parts:
    return Parts.of(draw(st.sampled_from(good())))


@st.composite
def arbitrary(draw: Draw) -> bytes:
    """Bytes that never were a checkpoint, some of them with a length in front that is right."""
    body = draw(st.binary(max_size=400))
    return draw(st.sampled_from([body, packed(body, b""), packed(b"{" + body + b"}", body)]))


@st.composite
def cut(draw: Draw) -> bytes:
    """A piece of one, or pieces of two in one."""
    one, other = draw(st.sampled_from(good())), draw(st.sampled_from(good()))
    at, to = draw(st.integers(0, len(one))), draw(st.integers(0, len(other)))
    return draw(st.sampled_from([one[:at], one[at:], one[:at] + other[to:], one[: -1 - at % 40]]))


@st.composite
def swollen(draw: Draw) -> bytes:
    """More bytes than there should be, up to just over what is read at all."""
    blob = draw(st.sampled_from(good()))
    room = MAX_BYTES - len(blob)
    more = draw(st.sampled_from([1, 8, 100, 65_536, room - 1, room, room + 1]))
    filler = draw(st.sampled_from([b"\0", b"\xff", b" ", b"{"])) * more
    return draw(st.sampled_from([blob + filler, filler + blob]))


@st.composite
def header_length(draw: Draw) -> bytes:
    blob = draw(st.sampled_from(good()))
    (right,) = struct.unpack("<Q", blob[:8])
    wrong = st.sampled_from(
        [0, 1, 2, right - 1, right + 1, len(blob), MAX_HEADER_BYTES, 2**31, 2**32 + right, 2**64 - 1]
    )
    return struct.pack("<Q", draw(wrong | st.integers(0, 2**64 - 1))) + blob[8:]


@st.composite
def flipped(draw: Draw) -> bytes:
    """A few wrong bits anywhere, or in the header only."""
    blob = bytearray(draw(st.sampled_from(good())))
    (header,) = struct.unpack("<Q", blob[:8])
    last = draw(st.sampled_from([8 + header, len(blob)])) - 1
    for _ in range(draw(st.integers(1, 8))):
        blob[draw(st.integers(0, last))] ^= 1 << draw(st.integers(0, 7))
    return bytes(blob)


@st.composite
def header(draw: Draw) -> bytes:
    """Wrong dtypes, shapes and offsets; tensors gone, renamed and doubled; a header of another shape altogether."""
    made = parts(draw)
    for name in draw(st.lists(st.sampled_from(sorted(made.header)), min_size=1, max_size=3, unique=True)):
        entry = made.header[name]
        kind = draw(st.sampled_from(["dtype", "shape", "data_offsets", "gone", "renamed", "added", "odd"]))
        if kind == "dtype":
            types = [
                "F64",
                "F32",
                "F16",
                "BF16",
                "F8_E4M3",
                "F8_E5M2",
                "F4",
                "I64",
                "I32",
                "I8",
                "U64",
                "U8",
                "BOOL",
                "C64",
                "f32",
            ]
            entry["dtype"] = draw(st.sampled_from(types) | ANYTHING)
        elif kind == "shape":
            entry["shape"] = draw(shapes(entry["shape"]))
        elif kind == "data_offsets":
            start, end = entry["data_offsets"]
            entry["data_offsets"] = draw(
                st.sampled_from([[end, start], [start, start], [0, end], [start, end + 4], [-4, end], [2**63, 2**64]])
                | st.lists(INTEGERS, max_size=3)
                | ANYTHING
            )  # fmt: skip
        elif kind == "gone":
            del made.header[name]
        elif kind == "renamed":
            made.header[draw(ODD_TEXT)] = made.header.pop(name)
        elif kind == "added":
            made.header[draw(ODD_TEXT)] = draw(st.just(entry) | ANYTHING)
        else:
            made.header[name] = draw(ANYTHING)
    return made.blob()


def shapes(shape: Any) -> st.SearchStrategy[Any]:
    plain = shape if isinstance(shape, list) else [1]
    return st.one_of(
        st.sampled_from(
            [plain[::-1], [*plain, 1], plain[:-1], [1, *plain], [0], [], [-1, *plain[1:]], [2**62, 4], [2**32] * 3]
        ),
        st.lists(INTEGERS, max_size=4),
        ANYTHING,
    )


@st.composite
def header_text(draw: Draw) -> bytes:
    """A header that is not what a JSON writer would have written."""
    made = parts(draw)
    run, tensors = json.dumps(json.dumps(made.run)), json.dumps(made.header)[1:-1]
    raw = draw(RAW)
    text = draw(
        st.sampled_from(
            [
                f'{{"__metadata__": {{"{METADATA}": {run}}}, "__metadata__": {raw}, {tensors}}}',
                f'{{"__metadata__": {raw}, "__metadata__": {{"{METADATA}": {run}}}, {tensors}}}',
                f'{{"__metadata__": {{"{METADATA}": {run}, "{METADATA}": {raw}}}, {tensors}}}',
                f'{{"__metadata__": {{"{METADATA}": {raw}}}, {tensors}}}',
                f'{{"__metadata__": {{"{METADATA}": {run}}}, {tensors}, {tensors}}}',
                f'{{"__metadata__": {{"{METADATA}": {run}}}, {tensors}, "more": {raw}}}',
                f'{{"__metadata__": {{"{METADATA}": {run}}}, {tensors}}} {raw}',
                f'{{{tensors}, "__metadata__": {{"{METADATA}": {run}, "more": {raw}}}}}',
                raw,
                "{" + tensors + "}",
                f'{{"__metadata__": {{"{METADATA}": {run}}}}}',
            ]
        )
    )
    return packed(text.encode("utf-8", "surrogatepass")[: MAX_HEADER_BYTES + 8], made.data)


def places(value: Any) -> list[tuple[Any, ...]]:
    """The way to every value in a run."""
    found: list[tuple[Any, ...]] = []
    left: list[tuple[Any, tuple[Any, ...]]] = [(value, ())]  # no recursion: some are deeper than the stack has room for
    while left:
        within, above = left.pop()
        inner = within.items() if isinstance(within, dict) else enumerate(within) if isinstance(within, list) else ()
        for key, below in inner:
            found.append((*above, key))
            left.append((below, found[-1]))
    return found


@st.composite
def run_fields(draw: Draw) -> bytes:
    """Any value of the run replaced, gone or moved; fields that do not exist."""
    made = parts(draw)
    for _ in range(draw(st.integers(1, 3))):
        ways = places(made.run)
        if not ways:
            break
        *above, last = draw(st.sampled_from(ways))
        within = made.run
        for key in above:
            within = within[key]
        kind = draw(st.sampled_from(["replaced", "replaced", "gone", "added"]))
        if kind == "replaced":
            within[last] = draw(ANYTHING)
        elif kind == "gone":
            del within[last]
        elif isinstance(within, dict):
            within[draw(ODD_TEXT)] = draw(ANYTHING)
    return made.blob()


@st.composite
def run_text(draw: Draw) -> bytes:
    """A run whose JSON says a thing twice, or says what JSON cannot."""
    made = parts(draw)
    text = json.dumps(made.run)
    name = draw(st.sampled_from(sorted(made.run)))
    raw = draw(RAW)
    value = json.dumps(made.run[name])
    return made.blob(
        draw(
            st.sampled_from(
                [
                    f'{text[:-1]}, "{name}": {raw}}}',
                    text.replace(f'"{name}": {value}', f'"{name}": {raw}', 1),
                    text.replace('"seed": 1', f'"seed": {raw}', 1),
                    text.replace('"learning_rate": 0.02', f'"learning_rate": {raw}', 1),
                    text.replace("{", "{" + raw, 1),
                    text + raw,
                    raw + text,
                    raw,
                ]
            )
        )
    )


@st.composite
def recipe(draw: Draw) -> bytes:
    """Another recipe than the tensors were made with: within its bounds, at them, or beyond."""
    made = parts(draw)
    fields: dict[str, st.SearchStrategy[Any]] = {
        "seed": INTEGERS,
        "cell": st.sampled_from(["rnn", "gru", "lstm", "RNN", "transformer", ""]),
        "framework": st.sampled_from(["compiled", "torch", "tensorflow", "jax"]),
        "optimizer": st.sampled_from(["adam", "sgd", "lion"]),
        "sampling": st.sampled_from(["tutorial", "uniform", "none"]),
        "weights": ODD_TEXT,
        "hidden_size": st.integers(0, 130),
        "learning_rate": FLOATS,
        "noise": FLOATS,
        "train": st.booleans(),
        "carry_state": st.booleans(),
        "stop_after": INTEGERS,
        **dict.fromkeys(("shortest", "longest", "fewest_streams", "most_streams", "samples"), st.integers(0, 41)),
    }
    for name in draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=4, unique=True)):
        made.run["recipe"][name] = draw(fields[name])
    return made.blob()


@st.composite
def counts(draw: Draw) -> bytes:
    """Counts that disagree with each other and with the tensors, and sums far out."""
    made = parts(draw)
    names = ["update", "position", "next_stream_id", "optimizer_steps", "format"]
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)):
        made.run[name] = draw(INTEGERS)
    if draw(st.booleans()):
        made.run["loss_sum"] = draw(FLOATS)
    return made.blob()


@st.composite
def change_log(draw: Draw) -> bytes:
    """Change logs out of order, with two entries at one update, too long, far out, and of fields that do not apply."""
    made = parts(draw)
    plain = st.fixed_dictionaries({"after_update": st.integers(0, 12)}, optional={"carry_state": st.booleans()})
    entry = st.one_of(
        plain.map(lambda change: {"train": True, **change}),
        plain.map(lambda change: {"learning_rate": 0.5, **change}),
        st.fixed_dictionaries(
            {"after_update": INTEGERS},
            optional={
                "learning_rate": st.floats(1e-5, 1.0) | FLOATS,
                "carry_state": st.booleans(),
                "train": st.booleans(),
                "seed": st.just(2),
            },
        ),
    )
    log = draw(st.lists(entry, max_size=6))
    length = draw(st.sampled_from([0, 0, 0, MOST_CHANGES - 1, MOST_CHANGES, MOST_CHANGES + 1, 1500]))
    long = [{"after_update": 100 + at, "learning_rate": 0.01 + at / 1e5} for at in range(length)]
    made.run["changes"] = draw(st.sampled_from([log + long, long + log]))
    return made.blob()


@st.composite
def records(draw: Draw) -> bytes:
    """What a checkpoint tells beside its numbers: versions, notes, what it was made with before, how it was played."""
    made = parts(draw)
    texts = st.dictionaries(ODD_TEXT, ODD_TEXT, max_size=6)
    many = st.integers(1, 3000).map(lambda count: {f"v{at}": "x" * (at % 70) for at in range(count)})
    set_of = texts | many | ANYTHING
    records = [name for name in ("versions", "notes", "earlier", "played", "playback", "interval") if name in made.run]
    name = draw(st.sampled_from(records))
    was = made.run[name]
    if name in ("versions", "notes"):
        made.run[name] = draw(set_of)
    elif name == "earlier":
        one = st.fixed_dictionaries({"until_update": INTEGERS, "versions": set_of})
        made.run[name] = draw(st.lists(one, max_size=10) | ANYTHING)
    elif name == "interval":
        made.run[name] = draw(st.lists(FLOATS, max_size=3) | ANYTHING)
    else:
        play = {
            "pace": FLOATS | INTEGERS | ODD_TEXT,
            "playing": ANYTHING,
            "views": st.lists(ODD_TEXT, max_size=6) | ANYTHING,
        }
        made.run[name] = draw(st.fixed_dictionaries({}, optional=play) | ANYTHING | st.just(was))
    return made.blob()


@st.composite
def values(draw: Draw) -> bytes:
    """Numbers in the tensors that no training makes: not finite, huge, tiny, negative; generators' words at random."""
    made = parts(draw)
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(made.header)))
        start, end = made.place(name)
        dtype: Any = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "U64": np.uint64}[
            made.header[name]["dtype"]
        ]
        tensor = np.frombuffer(bytes(made.data[start:end]), dtype).copy()
        if tensor.size == 0:
            continue
        if np.issubdtype(dtype, np.floating):
            most = float(np.finfo(dtype).max)
            value = draw(
                st.sampled_from([np.nan, np.inf, -np.inf, most, -most, 1e30, -1e30, 1e-45, -0.0, -1.0, 1e5, 7.0])
            )
        else:
            least, most_whole = np.iinfo(dtype).min, np.iinfo(dtype).max
            value = draw(st.sampled_from([least, most_whole, 0, 1, most_whole // 2]) | st.integers(least, most_whole))
        everywhere = draw(st.booleans())
        tensor[slice(None) if everywhere else draw(st.integers(0, tensor.size - 1))] = value
        made.data[start:end] = tensor.tobytes()
    return made.blob()


@st.composite
def swapped(draw: Draw) -> bytes:
    """Tensors under each other's names, in each other's shapes, over each other's bytes, or of another size."""
    made = parts(draw)
    one, other = draw(st.lists(st.sampled_from(sorted(made.header)), min_size=2, max_size=2, unique=True))
    kind = draw(st.sampled_from(["all", "shape", "data_offsets", "dtype", "larger", "smaller"]))
    first, second = made.header[one], made.header[other]
    if kind == "all":
        made.header[one], made.header[other] = second, first
    elif kind in first:
        first[kind], second[kind] = second[kind], first[kind]
    else:  # a tensor of another length, all else in its place
        start, end = first["data_offsets"]
        items = int(np.prod(first["shape"])) or 1
        size = max(1, (end - start) // items)
        count = items + draw(st.integers(1, 3000)) if kind == "larger" else draw(st.integers(0, items - 1))
        moved = size * count - (end - start)
        made.data[start:end] = bytes(size * count)
        for entry in made.header.values():
            if entry["data_offsets"][0] >= end and entry is not first:
                entry["data_offsets"] = [at + moved for at in entry["data_offsets"]]
        first |= {"shape": [count], "data_offsets": [start, start + size * count]}
    return made.blob()


@st.composite
def bombs(draw: Draw) -> bytes:
    """As much to read as the header has room for."""
    made = parts(draw)
    room = MAX_HEADER_BYTES - len(json.dumps(made.header)) - 3 * len(json.dumps(made.run)) - 200
    room += draw(st.sampled_from([0, 0, -5000, 5000]))
    kind = draw(
        st.sampled_from(["versions", "notes", "keys", "changes", "unknown", "deep", "tensors", "metadata", "earlier"])
    )
    filler = draw(st.sampled_from(["x", "é", "💥", "\x7f"]))
    long = filler * (room // len(filler.encode()) if filler != "💥" else room // 13)
    many = {f"k{at:05}": "" for at in range(room // 17)}
    run: str | None = None
    if kind in ("versions", "notes"):
        made.run[kind] = draw(st.sampled_from([{"torch": long}, {long: "torch"}, many]))
    elif kind == "earlier":
        made.run["earlier"] = [{"until_update": 1, "versions": {"torch": long[: len(long) // 8]}}] * 8
    elif kind == "keys":
        made.run = {**made.run, **many}
    elif kind == "changes":
        made.run["changes"] = [{"after_update": at} for at in range(room // 28)]
    elif kind == "unknown":
        made.run[long] = long[:1]
    elif kind == "deep":
        depth = room // 12
        run = json.dumps(made.run)[:-1] + ', "notes": ' + '{"a":' * depth + "1" + "}" * depth + "}"
    elif kind == "tensors":
        made.header |= {f"t{at}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for at in range(room // 62)}
    text = json.dumps(made.run, ensure_ascii=False) if run is None else run
    inner = {METADATA: text, "more": long} if kind == "metadata" else {METADATA: text}
    return packed(json.dumps({"__metadata__": inner, **made.header}, ensure_ascii=False).encode(), made.data)


KINDS: dict[str, Callable[[], st.SearchStrategy[bytes]]] = {
    made.__name__: made
    for made in (
        arbitrary, cut, swollen, header_length, flipped, header, header_text, run_fields, run_text, recipe, counts,
        change_log, records, values, swapped, bombs,
    )
}  # fmt: skip
