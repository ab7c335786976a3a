"""Sarabun for the screen: cut once from its wheel to Thai and Latin, kept in the data folder, served for a year.

No font file stands in the repository; the wheel's licence (SIL Open Font Licence 1.1) lets us cut and serve it.
"""

import os
import tempfile
from io import BytesIO
from pathlib import Path

from flask import Flask, Response, abort, send_from_directory

from lti_tool.web.edge import KaonaApp, without_transaction

RECIPE = "1"
"""Raise it when the cut below changes: it stands in the file names, so no browser keeps an old cut."""

FACES = {f"sarabun-regular-{RECIPE}.woff2": "Sarabun-Regular.ttf", f"sarabun-bold-{RECIPE}.woff2": "Sarabun-Bold.ttf"}

CHARACTERS = [
    *range(0x0020, 0x007F),
    *range(0x00A0, 0x0180),
    *range(0x0E01, 0x0E3B),
    *range(0x0E3F, 0x0E5C),
    *(0x2010, 0x2011, 0x2013, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2026, 0x2032, 0x2033, 0x2212, 0x2248, 0x2264, 0x2265),
]
"""Latin with its accents, Thai with its digits, and the signs that texts use."""

YEAR_SECONDS = 31_536_000


def register(app: Flask) -> None:
    """Serves the cut fonts at `/static/fonts/<name>`."""
    assert isinstance(app, KaonaApp)
    folder = prepare_fonts(app.settings.data_dir).absolute()

    @app.get("/static/fonts/<name>")
    @without_transaction
    def font(name: str) -> Response:
        if name not in FACES:
            abort(404)
        response = send_from_directory(folder, name, mimetype="font/woff2", max_age=YEAR_SECONDS)
        response.cache_control.public = True
        response.cache_control.immutable = True
        return response


def prepare_fonts(data_dir: Path) -> Path:
    """The folder with the cut fonts, filled at the first start; later starts find them there.

    data_dir  the installation's folder; several processes may start at once
    """
    folder = data_dir / "fonts"
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in FACES.items():
        target = folder / name
        if not target.exists():
            _write_at_once(target, _cut(source))
    return folder


def _cut(source: str) -> bytes:
    import fontpkg_sarabun  # noqa: PLC0415  a start that finds the fonts cut needs neither
    from fontTools import subset  # noqa: PLC0415
    from fontTools.ttLib import TTFont  # noqa: PLC0415

    options = subset.Options(flavor="woff2", layout_features=["*"], desubroutinize=True, notdef_outline=True, name_IDs=[0, 1, 2, 13, 14])
    font = TTFont(Path(fontpkg_sarabun.ROOT) / "files" / source, lazy=True)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=CHARACTERS)
    cutter.subset(font)
    font.flavor = "woff2"
    out = BytesIO()
    font.save(out)
    return out.getvalue()


def _write_at_once(target: Path, content: bytes) -> None:
    """Writes a whole file or none: another process sees it complete."""
    handle, name = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).chmod(0o644)
    Path(name).replace(target)
