"""The command line, unrolled. A user's mistake is a line on standard error, exit code 2."""

import click

from app.export_command import export
from app.graphs_command import graphs
from app.mistake import Mistake, settings
from app.predict_command import predict
from app.script_command import script
from app.train_command import train
from app.verify_command import receipt, verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="unrolled", prog_name="unrolled")
def main() -> None:
    """A recurrent network learns cos from sin, live, one random-length chunk at a time."""


@main.command()
@click.option("--host", help="Address to listen on.  [default: UNROLLED_HOST, or 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0: a free one.  [default: UNROLLED_PORT, or 8000]")
@click.option("--workers", type=int, help="Processes, each a full server.  [default: UNROLLED_WORKERS, or 1]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Run the web service. Environment variables that begin with UNROLLED_ set the rest."""
    from app.server import serve as serve_with

    given = {"host": host, "port": port, "workers": workers}
    using = settings(**{name: value for name, value in given.items() if value is not None})
    try:
        serve_with(using)
    except OSError as error:
        raise Mistake(f"cannot listen on {using.host} port {using.port}: {error.strerror}") from None


main.add_command(train)
main.add_command(receipt)
main.add_command(verify)
main.add_command(predict)
main.add_command(script)
main.add_command(export)
main.add_command(graphs)
