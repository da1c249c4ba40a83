"""The network against PyTorch's own layers, and the gradient through time against finite differences."""

import pytest
import torch
from torch import nn

from model.network import Network, count_nodes, state_parts, tensor_shapes
from model.recipe import Cell

CELLS: list[Cell] = ["rnn", "gru", "lstm"]


def network(cell: Cell, size: int = 32, seed: int = 1) -> Network:
    return Network(cell, size, torch.Generator().manual_seed(seed))


def test_the_tutorials_network_has_1153_parameters_and_prints_as_there() -> None:
    rnn = network("rnn")
    assert rnn.parameter_count() == 1153
    assert str(rnn) == (
        "RNN(\n  (rnn): RNN(1, 32, batch_first=True)\n  (out): Linear(in_features=32, out_features=1, bias=True)\n)"
    )


@pytest.mark.parametrize("cell", CELLS)
def test_tensors_are_named_and_shaped_as_told(cell: Cell) -> None:
    shapes = {name: tuple(weight.shape) for name, weight in network(cell, 7).state_dict().items()}
    assert shapes == tensor_shapes(cell, 7)


@pytest.mark.parametrize("cell", CELLS)
def test_any_length_and_any_number_of_streams(cell: Cell) -> None:
    net = network(cell)
    state = None
    for streams, time in [(1, 1), (1, 30), (1, 7), (1, 120)]:
        prediction, hidden, state = net(torch.randn(streams, time, 1), state)
        assert prediction.shape == (streams, time, 1)
        assert hidden.shape == (streams, time, 32)
        assert state.shape == (state_parts(cell), streams, 32)
    assert net(torch.randn(8, 3, 1))[0].shape == (8, 3, 1)


@pytest.mark.parametrize("cell", CELLS)
def test_head_applied_at_once_agrees_with_the_tutorials_loop(cell: Cell) -> None:
    net = network(cell).double()
    x = torch.randn(2, 30, 1, dtype=torch.float64)
    prediction, hidden, _ = net(x)
    outs = torch.stack([net.out(hidden[:, time_step, :]) for time_step in range(30)], dim=1)
    assert torch.allclose(prediction, outs, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("carried", [False, True])
def test_hidden_gradient_is_the_total_one_by_finite_differences(cell: Cell, carried: bool) -> None:
    torch.manual_seed(3)
    net = network(cell, 5).double()
    x, target = torch.randn(2, 6, 1, dtype=torch.float64), torch.randn(2, 6, 1, dtype=torch.float64)
    state = torch.randn(state_parts(cell), 2, 5, dtype=torch.float64) if carried else None
    gradient = net.hidden_gradient(x, target, state)

    def loss_with(nudge_at: int, stream: int, unit: int, by: float) -> torch.Tensor:
        # run to the time step, move h_t by hand, run on: what follows feels it through the recurrence
        _, first, carry = net(x[:, : nudge_at + 1], state)
        first, carry = first.clone(), carry.clone()
        first[stream, nudge_at, unit] += by
        carry[0, stream, unit] += by
        hidden = first
        if nudge_at + 1 < x.shape[1]:
            hidden = torch.cat([first, net(x[:, nudge_at + 1 :], carry)[1]], 1)
        return nn.functional.mse_loss(net.out(hidden), target)

    for time, stream, unit in [(0, 0, 0), (2, 1, 3), (4, 0, 4), (5, 1, 1)]:
        numeric = (loss_with(time, stream, unit, 1e-6) - loss_with(time, stream, unit, -1e-6)) / 2e-6
        assert gradient[stream, time, unit].item() == pytest.approx(numeric.item(), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_the_graph_grows_with_the_length_of_the_chunk(cell: Cell) -> None:
    net = network(cell)
    nodes = []
    for time in (10, 20, 30):
        x = torch.randn(1, time, 1)
        nodes.append(count_nodes(nn.functional.mse_loss(net(x)[0], x)))
    assert nodes[0] < nodes[1] < nodes[2]
    assert nodes[2] - nodes[1] == nodes[1] - nodes[0]


def test_initial_weights_come_from_the_generator_alone() -> None:
    torch.manual_seed(0)
    one = network("gru", seed=5).state_dict()
    torch.manual_seed(1)
    other = network("gru", seed=5).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert max(weight.abs().max().item() for weight in one.values()) <= 32**-0.5


def test_making_a_network_leaves_torchs_own_generator_alone() -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    network("lstm")
    assert torch.equal(torch.rand(3), expected)


def test_importing_the_maths_fixes_one_thread_and_no_onednn() -> None:
    assert torch.get_num_threads() == 1
    assert not torch.backends.mkldnn.enabled
