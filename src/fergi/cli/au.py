"""`fergi au`: how estimators of action units are made and judged."""

import typer

from fergi.cli import au_mesh, au_network

app = typer.Typer(help="Make and judge estimators of action units.", no_args_is_help=True)
app.command("synthesize")(au_mesh.synthesize)
app.command("prepare")(au_network.prepare)
app.command("train")(au_network.train_network)
app.command("evaluate")(au_network.evaluate_network)
