"""The command line, unrolled. A user's mistake is a line on standard error, exit code 2."""

import os
from importlib import import_module

import click

from app.commands.mistake import Mistake, settings, strays
from app.training.child import Child

COMMANDS = {
    "train": "app.commands.train",
    "receipt": "app.commands.verify",
    "verify": "app.commands.verify",
    "predict": "app.commands.predict",
    "script": "app.commands.script",
    "export": "app.commands.export",
    "graphs": "app.commands.graphs",
    "doctor": "app.commands.doctor",
}


class Commands(click.Group):
    """Imports a command when it is asked for: most need PyTorch, whose import takes seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*COMMANDS, *super().list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="unrolled", prog_name="unrolled")
def main() -> None:
    """A recurrent network learns cos from sin, live, one random-length chunk at a time."""


@main.command()
@click.option("--host", help="Address to listen on.  [default: UNROLLED_HOST, or 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0: a free one.  [default: UNROLLED_PORT, or 8000]")
@click.option("--workers", type=int, help="Processes, each a full server.  [default: UNROLLED_WORKERS, or 1]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Run the web service. Environment variables that begin with UNROLLED_ set the rest."""
    given = {"host": host, "port": port, "workers": workers}
    using = settings(**{name: value for name, value in given.items() if value is not None})
    for says, mend in strays(os.environ):
        click.echo(f"Warning: {says}; {mend}", err=True)
    # the training process imports what it needs while we do; several workers start one each
    child = Child("main") if using.workers == 1 else None
    from app.main import create_app
    from app.serving.server import serve as serve_with

    try:
        serve_with(create_app, using, child)
    except OSError as error:
        raise Mistake(f"cannot listen on {using.host} port {using.port}: {error.strerror}") from None


if __name__ == "__main__":
    main()
