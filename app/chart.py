"""A run as one self-contained page: its chunks played back, and its loss, by Plotly without a server."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from model.training import Update

WINDOW = 6
"""Chunks in view at a time, on average."""

MOST_FRAMES = 300
"""Updates that are played back, the last ones; a frame of a default run takes about 10 kB of the page."""

PAPER, INK, QUIET, GRID = "#fbfaf7", "#1d1f23", "#6b6f76", "#e9e6df"
TARGET = {"color": "#c0364a", "dash": "dash", "width": 2}
PREDICTION = {"color": "#1b66a8", "width": 2}
INPUT = {"color": "#9a9a94", "dash": "dot", "width": 1}
FRAME_MILLISECONDS = 120


def page(updates: Sequence[Update], title: str) -> str:
    """The HTML of the page, about 5 MB because Plotly comes with it. `updates` are in order, at least one."""
    first = max(0, len(updates) - MOST_FRAMES)
    figure = make_subplots(
        rows=2, cols=1, row_heights=[0.62, 0.38], vertical_spacing=0.16, subplot_titles=["the wave", "loss"]
    )
    figure.add_traces(_wave(updates, first), rows=1, cols=1)
    numbers = [update.update for update in updates]
    dots = {"color": PREDICTION["color"], "size": 4}
    figure.add_scatter(x=numbers, y=[u.loss for u in updates], name="loss", mode="markers", marker=dots, row=2, col=1)
    figure.add_scatter(
        x=numbers,
        y=[u.mean_loss for u in updates],
        name="running mean",
        line={"color": QUIET, "width": 1},
        row=2,
        col=1,
    )
    figure.add_traces([_now(updates[first])], rows=2, cols=1)
    animated = [0, 1, 2, len(figure.data) - 1]
    figure.frames = [
        go.Frame(
            name=str(updates[last].update),
            data=[*_wave(updates, last), _now(updates[last])],
            traces=animated,
            layout={"xaxis": {"range": _range(updates, last)}},
        )
        for last in range(first, len(updates))
    ]
    _lay_out(figure, title, _range(updates, first))
    html: str = figure.to_html(
        include_plotlyjs=True,
        auto_play=True,
        animation_opts=_animation(),
        config={"displaylogo": False, "responsive": True},
    )
    return html.replace(
        "<head>", f"<head><title>{title}</title><style>body {{ margin: 0; background: {PAPER} }}</style>", 1
    )


def _wave(updates: Sequence[Update], last: int) -> list[go.Scatter]:
    """Input, target and prediction of stream 0 over the chunks in view; a gap stands at every seam."""
    start = _range(updates, last)[0] * np.pi
    view = [update for update in updates[max(0, last - 6 * WINDOW) : last + 1] if update.t[0][-1] > start]
    gap = [math.nan]
    x = np.concatenate([[*update.t[0] / np.pi, *gap] for update in view]).round(4)

    def line(name: str, look: dict[str, object]) -> go.Scatter:
        y = np.concatenate([[*np.asarray(getattr(update, name))[0], *gap] for update in view])
        return go.Scatter(x=x, y=y.round(5), name=name, mode="lines", line=look)

    return [line("input", INPUT), line("target", TARGET), line("prediction", PREDICTION)]


def _now(update: Update) -> go.Scatter:
    ring = {"size": 12, "color": "rgba(0,0,0,0)", "line": {"color": INK, "width": 2}}
    return go.Scatter(
        x=[update.update], y=[update.loss], mode="markers", marker=ring, showlegend=False, hoverinfo="skip"
    )


def _range(updates: Sequence[Update], last: int) -> list[float]:
    """The phase in view, in units of π: always as wide, so that the wave keeps its scale."""
    begin, end = float(updates[0].t[0][0]) / np.pi, float(updates[last].t[0][-1]) / np.pi
    width = (float(updates[-1].t[0][-1]) / np.pi - begin) / len(updates) * WINDOW
    return [max(begin, end - width), max(begin + width, end)]


def _animation(milliseconds: int = FRAME_MILLISECONDS) -> dict[str, object]:
    return {
        "frame": {"duration": milliseconds, "redraw": True},
        "transition": {"duration": 0},
        "mode": "immediate",
        "fromcurrent": True,
    }


def _lay_out(figure: go.Figure, title: str, x_range: list[float]) -> None:
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": GRID, "tickcolor": QUIET}
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    figure.update_xaxes(title="phase, in π", range=x_range, row=1, col=1)
    figure.update_yaxes(range=[-1.6, 1.6], row=1, col=1)
    figure.update_xaxes(title="update", row=2, col=1)
    figure.update_yaxes(type="log", row=2, col=1)
    button = {"method": "animate"}
    slider = {
        "currentvalue": {"prefix": "update "},
        "pad": {"t": 44},
        "steps": [
            {"label": frame.name, "method": "animate", "args": [[frame.name], _animation(0)]} for frame in figure.frames
        ],
    }
    buttons = {
        "type": "buttons",
        "direction": "left",
        "showactive": False,
        "x": 1,
        "xanchor": "right",
        "y": 1.12,
        "yanchor": "bottom",
        "buttons": [
            button | {"label": "play", "args": [None, _animation()]},
            button | {"label": "pause", "args": [[None], _animation(0)]},
        ],
    }
    figure.update_layout(
        title={"text": title},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        height=760,
        legend={"orientation": "h", "y": 1.08},
        updatemenus=[buttons],
        sliders=[slider],
    )
