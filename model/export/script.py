"""A recipe as a PyTorch script of the tutorial's kind, which prints the losses that `torch` shows for it."""

import base64
import textwrap
from collections.abc import Sequence

import numpy as np

from model.checkpoint import Checkpoint
from model.network import state_parts, tensor_shapes
from model.recipe import MOST_CHANGES, Change, Recipe
from model.signal import TUTORIAL_HORIZON

UPDATES = 60
"""How many updates the script makes where the recipe names no end, as the tutorial."""

_WIDTH = 100

_SHOWN = {
    "torch": (
        "It prints the losses that Unrolled shows for this recipe, to the bit with the same PyTorch on a machine of "
        "the same kind."
    ),
    "compiled": (
        "This is what PyTorch makes of it. Unrolled ran it compiled: its losses begin alike, but for rounding, and "
        "another order of sums makes the two drift apart after a hundred updates or so."
    ),
}


def script(recipe: Recipe, changes: Sequence[Change] = (), weights: Checkpoint | None = None) -> str:
    """The run of this recipe and change log as a script that needs torch and numpy only.

    It has the lines that this recipe needs and no others. Its losses are those of a run of `torch` to the bit, and
    those of a compiled one as far as rounding lets them: they begin alike and drift apart. Where the run would be
    stopped because something is no longer finite, the script goes on.

    Args:
        weights: what to start from where the recipe's `weights` names a model; they become part of the script.

    Raises:
        ValueError: the framework is TensorFlow, the changes are out of order or too many, or the weights are missing
            or of another cell or size.
    """
    if recipe.framework == "tensorflow":
        raise ValueError("framework: a script is of the tutorial's PyTorch kind, not tensorflow")
    points = [change.after_update for change in changes]
    if len(points) > MOST_CHANGES or points != sorted(points):
        raise ValueError(f"a change log has at most {MOST_CHANGES} entries, in order of after_update; this has not")
    if (recipe.weights == "random") != (weights is None):
        raise ValueError(f"weights: {recipe.weights} needs {'none' if weights is not None else 'its checkpoint'}")
    if weights is not None and (weights.recipe.cell, weights.recipe.hidden_size) != (recipe.cell, recipe.hidden_size):
        raise ValueError(f"weights: {recipe.weights} is not {recipe.cell} with hidden_size {recipe.hidden_size}")
    return _Script(recipe, changes, weights).text()


class _Script:
    """The script in its parts, each a few lines that may be none."""

    def __init__(self, recipe: Recipe, changes: Sequence[Change], weights: Checkpoint | None) -> None:
        self._recipe = recipe
        self._weights = weights
        self._changes: dict[int, dict[str, object]] = {}
        for change in changes:  # those after the same update are one
            self._changes.setdefault(change.after_update, {}).update(change.fields())
        self._changing = {name for fields in self._changes.values() for name in fields}
        self._updates = recipe.stop_after or UPDATES
        self._random_lengths = recipe.shortest < recipe.longest
        self._several = recipe.most_streams > 1
        self._varying = recipe.fewest_streams < recipe.most_streams
        self._carries = recipe.carry_state or "carry_state" in self._changing
        self._trains = recipe.train or "train" in self._changing
        used = {"lengths": self._random_lengths, "streams": self._several, "noise": recipe.noise > 0}
        self._generators = [name for name, is_used in used.items() if is_used]
        self._draws = bool(self._generators) or weights is None
        # the signal changes over to another way of reckoning its phase
        self._far_comes = recipe.sampling == "tutorial" and self._updates * recipe.longest > TUTORIAL_HORIZON

    def text(self) -> str:
        parts = (
            self._heading(),
            self._settings(),
            self._random(),
            self._network(),
            self._start(),
            self._optimizer(),
            self._before(),
            [*self._loop(), *self._chunk(), *self._predict(), *self._learn(), *self._print()],
        )
        return "\n".join(line.rstrip() for part in parts if part for line in (*part, "")).rstrip("\n") + "\n"

    # ------------------------------------------------------------ before the loop

    def _heading(self) -> list[str]:
        what = "turns sin into cos" if not self._trains else "learns cos from sin"
        lasts = "random" if self._random_lengths else "fixed"
        given = self._recipe.model_dump(exclude_defaults=True, exclude={"framework"})
        chosen = ", ".join(f"{name} {value}" for name, value in given.items()) or "all as in the tutorial"
        about = f"The recipe: {chosen}. {_SHOWN[self._recipe.framework]}"
        return [
            f'"""A recurrent network {what}, one chunk of {lasts} length at a time.',
            "",
            *textwrap.wrap(about, _WIDTH),
            '"""',
            "",
            *(["import base64", ""] if self._weights else []),
            "import numpy as np",
            "import torch",
            "from torch import nn",
            "",
            "# one thread and PyTorch's own kernels, so that every sum is rounded alike on each machine of a kind",
            "torch.set_num_threads(1)",
            "torch.backends.mkldnn.set_flags(False)",
        ]

    def _settings(self) -> list[str]:
        recipe = self._recipe
        constant_rate = self._trains and "learning_rate" not in self._changing
        rows = [
            ("SEED", recipe.seed, "same seed, same numbers", self._draws),
            ("HIDDEN_SIZE", recipe.hidden_size, "rnn hidden unit", True),
            ("LR", recipe.learning_rate, "learning rate", constant_rate),
            ("SAMPLES", recipe.samples, "time steps in each half-period", True),
            ("NOISE", recipe.noise, "standard deviation of what is added to the input", recipe.noise > 0),
            ("UPDATES", self._updates, self._about_the_end(), True),
        ]
        used = [(f"{name} = {value!r}", about) for name, value, about, used in rows if used]
        lines = ["# Hyper Parameters", *(f"{line:21}# {about}" if about else line for line, about in used)]
        if self._changes:
            lines += ["", "# what was changed while it ran: after this update, these values"]
            lines += [
                "CHANGES = {",
                *(f"    {after}: {_dict(fields)}," for after, fields in self._changes.items()),
                "}",
            ]
            lines += [f"now = {_dict({name: getattr(recipe, name) for name in sorted(self._changing)})}"]
        return lines

    def _about_the_end(self) -> str:
        if self._recipe.stop_after > 0:
            return ""
        if self._far_comes or self._recipe.sampling == "uniform":
            return "the page goes on for ever"
        return f"the page goes on; its signal is the same up to {TUTORIAL_HORIZON // self._recipe.longest} updates"

    def _random(self) -> list[str]:
        if not self._draws:
            return []
        made = [f'{name} = np.random.Generator(random_bits("{name}"))' for name in self._generators]
        return [
            "",
            "def random_bits(name):",
            '    """Random bits of their own for each purpose, so that none disturbs another."""',
            "    return np.random.PCG64(np.random.SeedSequence([SEED, *name.encode()]))",
            *(["", "", *made] if made else []),
        ]

    def _network(self) -> list[str]:
        cell = self._recipe.cell.upper()
        state = "h_state is (h, c), each" if state_parts(self._recipe.cell) > 1 else "h_state"
        return [
            "",
            f"class {cell}(nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
            f"        self.rnn = nn.{cell}(input_size=1, hidden_size=HIDDEN_SIZE, batch_first=True)",
            "        self.out = nn.Linear(HIDDEN_SIZE, 1)",
            "",
            "    def forward(self, x, h_state):",
            "        # x (batch, time_step, input_size)",
            f"        # {state} (n_layers, batch, hidden_size)",
            "        # r_out (batch, time_step, hidden_size)",
            "        r_out, h_state = self.rnn(x, h_state)  # the graph is built here, as long as x is",
            "        return self.out(r_out), h_state",
            "",
        ]

    def _start(self) -> list[str]:
        made = [f"rnn = {self._recipe.cell.upper()}()", "print(rnn)", ""]
        if self._weights is None:
            return [
                *made,
                "# initial weights, drawn as PyTorch's layers draw theirs, but from a generator of their own",
                'generator = torch.Generator().manual_seed(int(random_bits("weights").random_raw()) >> 1)',
                "bound = HIDDEN_SIZE**-0.5",
                "with torch.no_grad():",
                "    for weight in rnn.parameters():",
                "        weight.uniform_(-bound, bound, generator=generator)",
            ]
        shapes = tensor_shapes(self._recipe.cell, self._recipe.hidden_size)
        numbers = np.concatenate([self._weights.tensors[name].ravel() for name in shapes]).astype("<f4")
        return [
            *made,
            f"# initial weights: those of the model {self._recipe.weights!r}, {numbers.size:,} numbers in float32",
            'WEIGHTS = """',
            *textwrap.wrap(base64.b64encode(numbers.tobytes()).decode(), _WIDTH),
            '"""',
            'numbers = torch.tensor(np.frombuffer(base64.b64decode(WEIGHTS), "<f4").copy())',
            "sizes = [weight.numel() for weight in rnn.parameters()]",
            "with torch.no_grad():",
            "    for weight, values in zip(rnn.parameters(), numbers.split(sizes)):",
            "        weight.copy_(values.view_as(weight))",
        ]

    def _optimizer(self) -> list[str]:
        lines = []
        if self._trains:
            name = {"adam": "Adam", "sgd": "SGD"}[self._recipe.optimizer]
            rate = 'now["learning_rate"]' if "learning_rate" in self._changing else "LR"
            lines += [f"optimizer = torch.optim.{name}(rnn.parameters(), lr={rate}, fused=True)"]
        return [*lines, "loss_func = nn.MSELoss()"]

    def _before(self) -> list[str]:
        lines = []
        if self._carries:
            lines += ["h_state = None  # for initial hidden state"]
        lines += ["step = 0  # where the signal stands, in half-periods"]
        if not self._random_lengths:
            lines += [f"dynamic_steps = {self._recipe.longest}  # half-periods in each chunk: time steps are static"]
        if self._varying:
            lines += ["offset = np.zeros(1)  # of each stream, in radians; the first begins at 0"]
        elif self._several:
            drawn = f"streams.uniform(0, 2 * np.pi, {self._recipe.most_streams - 1})"
            lines += ["# where each stream begins, in radians: the first at 0", f"offset = np.append(0, {drawn})"]
        return lines

    # ------------------------------------------------------------ in the loop

    def _loop(self) -> list[str]:
        lines = ['print("update  length  loss")', "for update in range(1, UPDATES + 1):"]
        if self._changes:
            lines += ["    now.update(CHANGES.get(update - 1, {}))"]
        if self._trains and "learning_rate" in self._changing:
            lines += ['    optimizer.param_groups[0]["lr"] = now["learning_rate"]']
        return lines

    def _chunk(self) -> list[str]:
        recipe = self._recipe
        lines = []
        if self._random_lengths:
            bounds = f"{recipe.shortest}, {recipe.longest + 1}"
            lines += [f"    dynamic_steps = int(lengths.integers({bounds}))  # random time step length"]
        if self._varying:
            lines += self._gather_streams()
        begin, how = "step", ", dtype=np.float32"
        if recipe.sampling == "uniform":
            lines += ["    begin = step % 2  # whole periods left out: the sine stays exact for ever"]
            begin, how = "begin", ", endpoint=False"
        elif self._far_comes:
            lines += [
                "    # as in the tutorial, but with whole periods left out once float32 has no digits left for them",
                f"    far = step + dynamic_steps > {TUTORIAL_HORIZON}",
                "    begin = step % 2 if far else step",
            ]
            begin, how = "begin", ", dtype=np.float64 if far else np.float32"
        plus = "offset + " if self._several else ""
        how += ", axis=1" if self._several else ""
        lines += [
            f"    start, end = {plus}{begin} * np.pi, {plus}({begin} + dynamic_steps) * np.pi",
            "    step += dynamic_steps",
            "",
            "    # use sin predicts cos",
            f"    steps = np.linspace(start, end, SAMPLES * dynamic_steps{how})",
            "    x_np = np.sin(steps)",
            "    y_np = np.cos(steps)",
        ]
        exact = recipe.sampling == "uniform" or self._far_comes
        if recipe.noise > 0:
            clean = "x_np.astype(np.float32)" if exact else "x_np"
            lines += [f"    x_np = {clean} + NOISE * noise.standard_normal(x_np.shape)  # the target stays clean"]
        batch = ":, :, np.newaxis" if self._several else "np.newaxis, :, np.newaxis"
        for name, wide in (("x", exact or recipe.noise > 0), ("y", exact)):
            about = "  # shape (batch, time_step, input_size)" if name == "x" else ""
            lines += [f"    {name} = torch.tensor({name}_np[{batch}]{', dtype=torch.float32' if wide else ''}){about}"]
        return [*lines, ""]

    def _gather_streams(self) -> list[str]:
        recipe = self._recipe
        lines = [
            f"    count = int(streams.integers({recipe.fewest_streams}, {recipe.most_streams + 1}))",
            "    joining = max(0, count - len(offset))  # each begins somewhere of its own",
            "    offset = np.append(offset[:count], streams.uniform(0, 2 * np.pi, joining))",
        ]
        if self._carries:
            zeros = "torch.zeros(1, joining, HIDDEN_SIZE)"
            lines += ["    if h_state is not None:  # and brings zeros; those that joined last leave first"]
            if state_parts(recipe.cell) > 1:
                lines += [f"        h_state = tuple(torch.cat([part[:, :count], {zeros}], 1) for part in h_state)"]
            else:
                lines += [f"        h_state = torch.cat([h_state[:, :count], {zeros}], 1)"]
        return [*lines, ""]

    def _predict(self) -> list[str]:
        recipe = self._recipe
        state = "h_state" if self._carries else "None"
        if "carry_state" in self._changing:
            state = 'h_state if now["carry_state"] else None'
        call = f"prediction, {'h_state' if self._carries else '_'} = rnn(x, {state})"
        about = "rnn output" if self._carries else "rnn output; every chunk starts from zeros"
        if not self._trains:
            lines = ["    with torch.no_grad():", f"        {call}  # {about}; nothing is learned"]
        elif "train" in self._changing:
            lines = ['    with torch.set_grad_enabled(now["train"]):', f"        {call}  # {about}"]
        else:
            lines = [f"    {call}  # {about}"]
        if self._carries and self._trains:
            detached = "h_state.detach()"
            if state_parts(recipe.cell) > 1:
                detached = "tuple(part.detach() for part in h_state)"
            lines += ["    # !! next step is important !!"]
            lines += [f"    h_state = {detached}  # break the connection from last iteration"]
        return [*lines, ""]

    def _learn(self) -> list[str]:
        steps = [
            "optimizer.zero_grad()  # clear gradients for this training step",
            "loss.backward()  # backpropagation, compute gradients",
            "optimizer.step()  # apply gradients",
        ]
        if not self._trains:
            steps = []
        if "train" in self._changing:
            steps = ['if now["train"]:', *("    " + line for line in steps)]
        return ["    loss = loss_func(prediction, y)", *("    " + line for line in steps)]

    def _print(self) -> list[str]:
        return ['    print(f"{update:6d}  {x.size(1):6d}  {np.float32(loss.item())}")']


def _dict(fields: dict[str, object]) -> str:
    return "{" + ", ".join(f'"{name}": {value!r}' for name, value in fields.items()) + "}"
