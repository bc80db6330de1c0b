"""`fergi studio`: the web study."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fergi.cli.console import AsJson, Quiet, print_summary
from fergi.cli.train import needing_extras
from fergi.errors import UsageError

if TYPE_CHECKING:
    from fergi.studio.studio import Studio

app = typer.Typer(help="Collect reactions in the browser, on your own machine.")

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder with a study.toml.")]
DatabaseAddress = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="postgresql+psycopg://… where several machines serve one study; by default a file "
        "in the study's folder.",
    ),
]
ClipsAddress = Annotated[
    str | None,
    typer.Option(
        "--clips",
        metavar="URL",
        help="fsspec address for what participants send, such as s3://…; by default the folder.",
    ),
]


@app.command("init")
def init(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY", help="Folder to make; not there yet, or empty.")
    ],
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a study to begin with: a commented study.toml, and pictures to replace.

    Example: fergi studio init my-study
    """
    with needing_extras():
        from fergi.studio.configuration import STUDY_FILE
        from fergi.studio.example import write_example
    write_example(study)
    facts = {
        "written": str(study / STUDY_FILE),
        "next": f"change its texts and pictures, then: fergi studio run {study}",
    }
    print_summary(facts, [], quiet=quiet, as_json=as_json)


@app.command("run")
def run(
    study: StudyFolder,
    host: Annotated[
        str, typer.Option(help="Interface to listen on; others than this machine need TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8765,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain, PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")] = None,
    insecure_host: Annotated[
        bool,
        typer.Option(
            "--insecure-host", help="Let others in unencrypted, behind a proxy that encrypts."
        ),
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="What browsers call it, where that is another name."),
    ] = None,
    database: DatabaseAddress = None,
    clips: ClipsAddress = None,
    new_admin_token: Annotated[
        bool, typer.Option("--new-admin-token", help="Make another token for the researcher.")
    ] = False,
) -> None:
    """Serve a study: participants join by their links, the researcher by the token.

    The token is printed once, when the study is first run; only its hash is kept. Stop with
    Ctrl-C. Nothing that was confirmed to a browser is ever lost, however the server ends.

    Example: fergi studio run my-study
    """
    with needing_extras():
        from fergi.studio.joining import researcher_token
        from fergi.studio.routes.pages import NOT_BUILT, missing_pages, pages_folder
        from fergi.studio.server import Place, serve
    place = Place(host, port, tls_cert, tls_key, insecure_host, address)
    place.require_safe()
    studio = _opened(study, database, clips)
    if missing_pages(pages_folder()):
        typer.echo(f"fergi: {NOT_BUILT}", err=True)

    if studio.configuration.consent.version.startswith("draft"):
        typer.echo(
            "fergi: the consent text is a draft; replace it before others take part", err=True
        )

    def started(origin: str) -> None:
        token = researcher_token(studio, renew=new_admin_token)
        typer.echo(f"serving      {origin}")
        if token is None:
            typer.echo(f"researcher   {origin}/admin (lost the token? --new-admin-token)")
        else:
            typer.echo(f"researcher   {origin}/admin#{token}")
            typer.echo("             (told this once: keep it)")
        typer.echo(f"links        fergi studio link {study} -n 5")

    serve(studio, place, started)


@app.command("link")
def link(
    study: StudyFolder,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=500, help="How many.")] = 1,
    label: Annotated[str, typer.Option(help="A note for yourself.")] = "",
    address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="What browsers call it; by default as last run."),
    ] = None,
    list_links: Annotated[
        bool, typer.Option("--list", help="List links and their states instead.")
    ] = False,
    revoke: Annotated[
        str | None, typer.Option(metavar="LINK", help="Revoke a link, by its listed name.")
    ] = None,
    database: DatabaseAddress = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make participants' links: unguessable, for one browser each, revocable.

    Example: fergi studio link my-study -n 5
    """
    with needing_extras():
        from fergi.studio.joining import link_address, links, make_links, revoke_link
        from fergi.studio.server import last_address
    studio = _opened(study, database)
    try:
        if revoke is not None:
            revoke_link(studio, revoke)
            print_summary({"revoked": revoke}, [], quiet=quiet, as_json=as_json)
            return
        if list_links:
            found = {str(one["link_id"]): _state(one) for one in links(studio)}
            print_summary(found or {"links": "none"}, [], quiet=quiet, as_json=as_json)
            return
        origin = (address or last_address(studio)).rstrip("/")
        made = make_links(studio, count, label=label)
        addresses = {one.link_id: link_address(origin, one.token) for one in made}
        print_summary(addresses, [], quiet=quiet, as_json=as_json)
    finally:
        studio.close()


@app.command("purge")
def purge(
    study: StudyFolder,
    database: DatabaseAddress = None,
    clips: ClipsAddress = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Delete what is past its retention date, files and rows; run it daily.

    Example: fergi studio purge my-study
    """
    with needing_extras():
        from fergi.studio.deletion import purge as purge_study
    studio = _opened(study, database, clips)
    try:
        done = purge_study(studio)
    finally:
        studio.close()
    facts = {
        "participants_deleted": done.participants,
        "videos_deleted_of": done.videos_of,
        "old_links_forgotten": done.links,
    }
    print_summary(facts, [], quiet=quiet, as_json=as_json)


def _opened(study: Path, database: str | None, clips: str | None = None) -> "Studio":
    with needing_extras():
        from fergi.studio.configuration import STUDY_WANTED
        from fergi.studio.studio import open_studio
    if not study.is_dir():
        found = "is a file" if study.exists() else "does not exist"
        raise UsageError(f"{study} {found}; {STUDY_WANTED}")
    return open_studio(study, database=database, clips=clips)


def _state(link: dict[str, object]) -> str:
    label = f", {link['label']}" if link["label"] else ""
    return f"{link['state']}{label}"
