"""`heaters export`."""

from pathlib import Path
from uuid import UUID

import click

from heaters_local.client import Api
from heaters_local.exporting import FORMATS
from heaters_local.exporting import export as fetch
from heaters_local.resolve import clip_id, video_id
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    default="webdataset",
    show_default=True,
    help="Shards, a table, or a list for editing programs.",
)
@click.option("--video", help="Only clips of this video: its id, or the first characters.")
@click.option(
    "--clip", "clips", multiple=True, help="Only this clip: its id, or the first characters. May be given again."
)
@click.option("--tag", help="Only clips with this tag.")
@click.option("--group", type=click.UUID, help="Only clips of this group.")
@click.option(
    "--media",
    type=click.Choice(["source", "clips"]),
    default="source",
    show_default=True,
    help="What a list names: the videos that clips were cut from, or the clips' own files.",
)
@click.option("--files", is_flag=True, help="Fetch the clips' own files too, to FOLDER/clips; parquet always does.")
@click.option("--clips-most", type=click.IntRange(1, 1000), default=1000, show_default=True, help="Clips in a part.")
@click.option("--shard-mib", type=click.IntRange(1), default=1024, show_default=True, help="Length of a shard at most.")
@home_option
def export(
    home: Home,
    folder: Path,
    kind: str,
    video: str | None,
    clips: tuple[str, ...],
    tag: str | None,
    group: UUID | None,
    media: str,
    files: bool,
    clips_most: int,
    shard_mib: int,
) -> None:
    """Fetch exported clips to FOLDER, each with where it comes from: as a dataset, as a table, or as a list for editing programs.

    The same command goes on where one was broken off. The selection is as it was when it began: clips that are exported meanwhile are not
    in it. What leaves it meanwhile, by an undo or by other tags, is named in
    FOLDER/manifest.json.
    """
    out = console()
    with Api.of(home) as api:
        wishes = {
            "video": video_id(api, video) if video else None,
            "clip": sorted(clip_id(api, one) for one in clips) or None,
            "tag": tag,
            "group": str(group) if group else None,
            "media": media,
            "limit": clips_most,
            "bytes_most": shard_mib * 1024**2,
        }
        wish = {name: value for name, value in wishes.items() if value is not None}
        made = fetch(
            api,
            folder,
            kind,
            wish,
            with_files=files or kind == "parquet",
            told=lambda name: said(out, f"{folder / name}"),
        )
    said(
        out,
        f"{made.clips} clips in {', '.join(file.name for file in made.files[:3])}{' ...' if len(made.files) > 3 else ''}",
    )
    if made.gone:
        said(
            out,
            f"{len(made.gone)} clips left the selection meanwhile; parts that came before may hold them: {folder / 'manifest.json'} names them",
        )
