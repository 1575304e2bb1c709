"""A film of two things side by side: the dashboard's frames, as the browser gives them, and a window's, as Qt draws them.

Both are kept with their times while they are shown; afterwards the pieces that were meant to be seen are put together, each
under its caption, and encoded by ffmpeg. Nothing is drawn that was not shown.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FRAMES_PER_SECOND = 10
WIDTH, HEIGHT = 1280, 720
VIEW = 740
"""Either side's width and height, in the pixels that its layout counts."""
SCALE = 0.85
SIDE = round(VIEW * SCALE)
GAP = (WIDTH - 2 * SIDE) // 3
TOP = HEIGHT - SIDE - GAP
PAPER, INK, SOFT, FRAME = "#0f172a", "#f8fafc", "#94a3b8", "#334155"
PIXELS = (24, 16)
"""The caption's and the names' size."""
ENCODED = (
    "-c:v",
    "libvpx-vp9",
    "-crf",
    "30",
    "-b:v",
    "0",
    "-row-mt",
    "1",
    "-deadline",
    "good",
    "-cpu-used",
    "3",
    "-pix_fmt",
    "yuv420p",
)


@dataclass(frozen=True)
class Scene:
    """What is said over a stretch of time (Unix seconds)."""

    caption: str
    began: float
    ended: float
    is_poster: bool


class Film:
    """Takes and puts together; `folder` is for the single frames."""

    def __init__(self, folder: Path) -> None:
        self.web, self.window = folder / "web", folder / "window"
        for side in (self.web, self.window):
            side.mkdir(parents=True)
        self._scenes: list[Scene] = []

    @contextmanager
    def scene(self, caption: str, *, is_poster: bool = False) -> Iterator[None]:
        """Show what happens within under this caption; what happens between two scenes is not shown.

        The last picture of one scene is the film's poster.
        """
        began = time.time()
        yield
        self._scenes.append(Scene(caption, began, time.time(), is_poster))

    @property
    def seconds(self) -> float:
        """How long it is by now."""
        return sum(scene.ended - scene.began for scene in self._scenes)

    async def take(self, widget: Any) -> None:
        """Keep what a window shows, at the film's rate, until cancelled."""
        with suppress(asyncio.CancelledError):
            while True:
                began = time.monotonic()
                widget.grab().save(str(self.window / f"{time.time() * 1000:.0f}.png"), "PNG", 90)
                await asyncio.sleep(max(0.01, 1 / FRAMES_PER_SECOND - (time.monotonic() - began)))

    def write(self, video: Path, poster: Path) -> None:
        """Put the scenes together."""
        web, window = _kept(self.web), _kept(self.window)
        size = ["-f", "rawvideo", "-pix_fmt", "bgra", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FRAMES_PER_SECOND)]
        encoder = subprocess.Popen(
            ["ffmpeg", "-y", "-loglevel", "error", *size, "-i", "-", *ENCODED, str(video)], stdin=subprocess.PIPE
        )
        assert encoder.stdin is not None
        for scene in self._scenes:
            for at in _ticks(scene):
                picture = _drawn(scene.caption, _at(web, at), _at(window, at))
                encoder.stdin.write(picture.constBits())
            if scene.is_poster:
                picture.save(str(poster), "PNG")
        encoder.stdin.close()
        assert encoder.wait() == 0


def _ticks(scene: Scene) -> Iterator[float]:
    for number in range(int((scene.ended - scene.began) * FRAMES_PER_SECOND)):
        yield scene.began + number / FRAMES_PER_SECOND


def _kept(folder: Path) -> list[tuple[int, Path]]:
    frames = sorted((int(file.stem), file) for file in folder.iterdir())
    assert frames, f"no frame came into {folder.name}"
    return frames


def _at(frames: list[tuple[int, Path]], at: float) -> Path:
    """Return what was shown at a time: the newest frame that is not later."""
    return frames[max(0, bisect_right(frames, int(at * 1000), key=lambda frame: frame[0]) - 1)][1]


def _drawn(caption: str, web: Path, window: Path) -> Any:
    from PySide6.QtCore import QPoint, QRect, Qt
    from PySide6.QtGui import QColor, QFont, QImage, QPainter

    picture = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    picture.fill(QColor(PAPER))
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    caption_pixels, name_pixels = PIXELS
    font = QFont(painter.font())
    font.setPixelSize(caption_pixels)
    painter.setFont(font)
    painter.setPen(QColor(INK))
    painter.drawText(QRect(GAP, 0, WIDTH - 2 * GAP, TOP - name_pixels - 4), Qt.AlignmentFlag.AlignVCenter, caption)
    font.setPixelSize(name_pixels)
    painter.setFont(font)
    for left, name, file in (
        (GAP, "Dashboard, in a browser", web),
        (2 * GAP + SIDE, "Desktop, beside the machine", window),
    ):
        painter.setPen(QColor(SOFT))
        painter.drawText(QPoint(left, TOP - 6), name)
        painter.drawImage(QRect(left, TOP, SIDE, SIDE), QImage(str(file)))
        painter.setPen(QColor(FRAME))
        painter.drawRect(QRect(left - 1, TOP - 1, SIDE + 1, SIDE + 1))
    painter.end()
    return picture
