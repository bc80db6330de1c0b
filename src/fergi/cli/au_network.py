"""`fergi au prepare`, and the network of the paper in `fergi au train` and `fergi au evaluate`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fergi.cli.au_mesh import TrainedEstimator, train_mesh
from fergi.cli.console import AsJson, Quiet, finish, print_summary, progress_bar
from fergi.cli.train import needing_extras
from fergi.errors import UsageError
from fergi.files import write_table
from fergi.provenance import write_provenance
from fergi.records.clip import Problem

if TYPE_CHECKING:
    from fergi.datasets.disfa import LabelledFaces
    from fergi.datasets.prepared_faces import PreparedFaces

Stores = Annotated[
    list[Path], typer.Argument(metavar="STORE…", help="Folders that fergi au prepare made.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]

_FACE_MODEL = "face-landmarker"


def prepare(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the prepared faces.")
    ],
    disfa: Annotated[
        Path | None, typer.Option("--disfa", metavar="DIR", help="DISFA, as distributed.")
    ] = None,
    disfa_plus: Annotated[
        Path | None, typer.Option("--disfa-plus", metavar="DIR", help="DISFA+, as distributed.")
    ] = None,
    invented: Annotated[
        Path | None,
        typer.Option("--invented", metavar="DIR", help="Pictures of fergi au synthesize."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one on each processor.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find, align and equalise every face of labelled pictures.

    The result is a compact store from which networks are trained. Whatever is odd about the
    data is counted and named, and the rest is used. Stopped at any moment, the same command
    goes on where it was.

    Example: fergi au prepare --disfa DISFA --disfa-plus DISFAPlus --out faces
    """
    with needing_extras():
        from fergi.training.action_units.preparation import prepare_faces
    from fergi.weights.fetched import fetched_model

    face_model = fetched_model(_FACE_MODEL)
    sources = list(_read_sources(disfa, disfa_plus, invented))
    with progress_bar("Preparing faces", quiet=quiet or as_json) as progress:
        found = prepare_faces(
            [sequence for source in sources for sequence in source.sequences],
            [oddity for source in sources for oddity in source.oddities],
            out,
            face_model,
            workers=workers,
            progress=progress,
        )
    counts: Counter[str] = Counter()
    for oddity in found.oddities:
        counts[oddity.kind.value] += oddity.count
    problems = [oddity.problem() for oddity in found.oddities]
    facts: dict[str, Any] = {"pictures": found.pictures, "new": found.new}
    facts |= {"odd": dict(counts)} if counts else {}
    print_summary({**facts, "written": str(out)}, problems, quiet=quiet, as_json=as_json)
    finish(problems)


def train_network(
    stores: Stores,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="Folder for network, card and log; of mesh, a .safetensors file.",
        ),
    ],
    estimator: Annotated[
        TrainedEstimator,
        typer.Option(
            help="network: the paper's, from prepared faces. mesh: the default estimator, from "
            "the one folder of fergi au synthesize; it takes --seed and --workers alone."
        ),
    ] = TrainedEstimator.NETWORK,
    depth: Annotated[int, typer.Option(help="Of the iResNet: 18, 34, 50 or 100.")] = 50,
    width: Annotated[int, typer.Option(help="Channels of its first stage.")] = 64,
    calibrated: Annotated[
        bool,
        typer.Option("--calibrated", help="Compare with a neutral picture of each person."),
    ] = False,
    start: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Face-recognition weights; by default from scratch."),
    ] = None,
    start_licence: Annotated[
        str | None,
        typer.Option(
            help="Their licence, for the model card; networks of fergi say theirs themselves."
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Train one network for each fold of people; 0: on everyone.")
    ] = 0,
    fold: Annotated[
        int | None, typer.Option(min=1, help="Only this one of the folds, counted from 1.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Times that every picture is seen.")] = 3,
    batch: Annotated[int, typer.Option(help="Pictures of one step.")] = 64,
    forward_batch: Annotated[
        int | None,
        typer.Option(help="Pictures evaluated together; less than a batch: gradients add up."),
    ] = None,
    body_rate: Annotated[
        float, typer.Option(help="Learning rate; from scratch take more, such as 1e-3.")
    ] = 1e-5,
    last_rate: Annotated[float, typer.Option(help="Learning rate of the last layer.")] = 1e-4,
    weight_decay: Annotated[float, typer.Option(help="Of Adam, on every weight.")] = 5e-4,
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    seed: Annotated[int, typer.Option(help="Of initial weights, order and augmentation.")] = 42,
    checkpoint_steps: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    log_steps: Annotated[int, typer.Option(min=1, help="Steps between lines of the log.")] = 20,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Equal runs on a GPU give equal weights.")
    ] = False,
    device: Device = "auto",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that look at pictures for mesh.")
    ] = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the action-unit network on prepared faces, or the mesh estimator on invented ones.

    On several GPUs: torchrun --nproc-per-node 4 -m fergi au train …. A training that was killed
    goes on from its last checkpoint with the same command.

    Example: fergi au train faces --start glint360k_r50.pth --folds 3 --out networks
    """
    if estimator is TrainedEstimator.MESH:
        train_mesh(stores, out, seed=seed, workers=workers, quiet=quiet, as_json=as_json)
        return
    with needing_extras():
        from fergi.evaluation.network_folds import FoldTraining
        from fergi.training.action_units.loop import RunOptions
        from fergi.training.action_units.processes import joined_team
        from fergi.training.action_units.recipe import Precision, Recipe
        from fergi.training.action_units.start import known_start
    if start is None and start_licence is not None:
        raise UsageError(
            "--start-licence is that of the weights of --start; name them, or leave it out"
        )
    if precision not in set(Precision):
        raise UsageError(f"there is no precision '{precision}'; choose fp32, bf16 or fp16")
    recipe = Recipe(
        depth=depth,
        width=width,
        is_calibrated=calibrated,
        epochs=epochs,
        batch=batch,
        forward_batch=forward_batch,
        body_rate=body_rate,
        last_rate=last_rate,
        weight_decay=weight_decay,
        precision=Precision(precision),
        seed=seed,
    )
    options = RunOptions(checkpoint_steps, log_steps, is_deterministic=deterministic)
    initial = None if start is None else known_start(start, start_licence)
    faces = _opened(stores)
    all_problems: list[Problem] = []
    with joined_team(device) as team:
        recipe = recipe.shared_by(team.size)
        is_quiet = quiet or as_json or not team.is_first
        tasks = {
            number: FoldTraining(
                faces, held_out, recipe, initial, out / f"fold-{number}" if number else out
            )
            for number, held_out in _held_out(faces.people, folds, fold)
        }
        for number, task in tasks.items():
            with progress_bar(_title(number, folds), quiet=is_quiet) as progress:
                facts, problems = task.run(team, options, progress)
            if team.is_first:
                print_summary(facts, problems, quiet=quiet, as_json=as_json)
            all_problems += problems
    if team.is_first:  # when a process leaves with 1, torchrun ends the others
        finish(all_problems)


def evaluate_network(
    stores: Stores,
    networks: Annotated[
        list[Path],
        typer.Option(
            "--network",
            "-n",
            metavar="PATH",
            help="A network.safetensors, or a folder of them, such as the folds of one training.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for tables.")],
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare networks with the labels of people whom they have not seen.

    Each person is judged by the first network that did not learn from them; people whom every
    network has seen are left out, and named. ICC(3,1), Pearson, errors, and F1 of intensity 2
    or more; of the three heads; beside the published figures.

    Example: fergi au evaluate faces --network networks --out evaluation
    """
    with needing_extras():
        from fergi.evaluation.action_units import beside_published
        from fergi.evaluation.network_folds import judgement, mean_agreement
        from fergi.training.action_units.processes import joined_team
        from fergi.training.action_units.trained import read_trained
    faces = _opened(stores)
    files = [file for path in networks for file in _network_files(path)]
    known = [read_trained(file) for file in files]
    with (
        joined_team(device) as team,
        progress_bar("Evaluating", quiet=quiet or as_json) as progress,
    ):
        found = judgement(known, faces, team.device, progress)
    compared = beside_published(found.agreement, is_calibrated=known[0].is_calibrated)
    write_table(found.table, out / "estimates.parquet")
    write_table(found.agreement, out / "agreement.csv")
    if not compared.is_empty():
        write_table(compared, out / "beside_published.csv")
    hashes = {str(file): network.sha256 for file, network in zip(files, known, strict=True)}
    write_provenance(
        out / "agreement.csv", settings={}, models=hashes, input_fingerprint=faces.fingerprint
    )
    facts = {"people": found.table["person"].n_unique(), "pictures": len(found.table)}
    summary = facts | mean_agreement(found.agreement) | {"written": str(out)}
    print_summary(summary, found.problems, quiet=quiet, as_json=as_json)
    finish(found.problems)


def _read_sources(
    disfa: Path | None, disfa_plus: Path | None, invented: Path | None
) -> Iterator["LabelledFaces"]:
    from fergi.datasets.disfa import read_disfa, read_disfa_plus
    from fergi.datasets.invented_faces import read_invented_faces

    given = ((read_disfa, disfa), (read_disfa_plus, disfa_plus), (read_invented_faces, invented))
    if not any(path for _, path in given):
        raise UsageError("nothing to prepare; name --disfa, --disfa-plus or --invented")
    for read, path in given:
        if path is not None:
            yield read(path)


def _opened(stores: Sequence[Path]) -> "PreparedFaces":
    from fergi.datasets.prepared_faces import joined_faces, prepared_faces

    return joined_faces([prepared_faces(store) for store in stores])


def _held_out(
    people: tuple[str, ...], folds: int, fold: int | None
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """List the folds to train, and whom each holds out; 0 is everyone's network."""
    from fergi.evaluation.folds import person_folds

    if folds == 0:
        if fold is not None:
            raise UsageError("--fold chooses one of the folds; say how many there are: --folds")
        yield 0, ()
        return
    if fold is not None and fold > folds:
        raise UsageError(f"there is no fold {fold} of {folds}")
    for number, held_out in enumerate(person_folds(people, folds), start=1):
        if fold in (None, number):
            yield number, held_out


def _title(number: int, folds: int) -> str:
    return f"Training {number} of {folds}" if number else "Training"


def _network_files(path: Path) -> list[Path]:
    from fergi.training.action_units.trained import NETWORK_FILE

    if not path.is_dir():
        return [path]
    files = sorted(path.rglob(NETWORK_FILE))
    if not files:
        raise UsageError(f"{path}: holds no {NETWORK_FILE}; train one with fergi au train")
    return files
