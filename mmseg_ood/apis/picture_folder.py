"""The folder of pictures: nothing in it is replaced by accident, and what was looked at never is."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .anomaly_result import result_files
from .frames import Frames, VideoFrames

_DESCRIPTION = 'visualize.json'


class PictureFolder:
    """Where pictures and videos go, with ``visualize.json``, which says how they were made.

    Args:
        path: The folder; it need not exist.
        frames: What there will be pictures of.
        with_masks: Whether there will be masks and detections.
        force: Replace what an earlier call wrote.

    Raises:
        FileExistsError: The folder holds such files already.
    """

    def __init__(self, path: Path, frames: Frames, with_masks: bool, force: bool) -> None:
        self.path = path
        self._inputs: set[Path] = set()
        planned = [path / _DESCRIPTION]
        for source in frames.sources:
            if isinstance(source, VideoFrames):
                self._inputs.add(Path(source.origin).resolve())
                planned += [path / f'{source.name}.mp4', path / f'{source.name}_detections.jsonl']
            else:
                self._inputs.update(Path(frame.origin).resolve() for frame in source)
                planned += [file for frame in source for file in result_files(path, frame.name, ['png'], with_masks)]
        existing = [file for file in planned if file.exists()]
        if existing and not force:
            raise FileExistsError(f'{path} holds results already ({existing[0].name}'
                                  f'{", ..." if len(existing) > 1 else ""}); name another folder with --out, or '
                                  f'replace them with --force')

    def clear(self) -> None:
        """Remove what an earlier call wrote, which would lie among the new files."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            content = json.loads((self.path / _DESCRIPTION).read_text(encoding='utf-8'))
            names = [*content['files'], *(found[key] for found in content.get('detections', {}).values()
                                          for key in ('mask', 'file') if key in found)]
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return  # there is none, or it is not one of ours
        for name in (*names, _DESCRIPTION):
            file = self.path / Path(name).name
            if file.resolve() not in self._inputs:
                file.unlink(missing_ok=True)

    def describe(self, content: dict[str, Any]) -> None:
        """Write ``visualize.json``."""
        (self.path / _DESCRIPTION).write_text(json.dumps(content, indent=2), encoding='utf-8')
