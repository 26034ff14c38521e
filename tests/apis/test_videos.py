"""Writing videos: what can be read again, and what is refused."""
import cv2
import numpy as np
import pytest

from mmseg_ood.apis import videos
from mmseg_ood.apis.videos import VideoFile, can_write, choose_codec


def pictures(count, height=32, width=64):
    """Greys that tell their number."""
    return [np.full((height, width, 3), 20 * index, np.uint8) for index in range(count)]


def read(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (frame := capture.read()[1]) is not None:
        frames.append(frame)
    return frames, capture.get(cv2.CAP_PROP_FPS)


def test_frames_can_be_read_again(tmp_path):
    with VideoFile(tmp_path / 'out.mp4', 'mp4v', 12.5) as video:
        for picture in pictures(8):
            picture[:, :32, 0] = 250  # red on the left
            video.write(picture)
    frames, rate = read(tmp_path / 'out.mp4')
    assert (len(frames), rate) == (8, 12.5)
    assert [round(frame[:, 40:].mean() / 20) for frame in frames] == list(range(8))
    assert frames[0][:, 4:28, 2].mean() > 200 > 100 > frames[0][:, 4:28, 0].mean()
    assert [path.name for path in tmp_path.iterdir()] == ['out.mp4']


def test_odd_sizes(tmp_path):
    with VideoFile(tmp_path / 'out.mp4', 'mp4v', 10) as video:
        for picture in pictures(3, 33, 65):
            video.write(picture)
    assert read(tmp_path / 'out.mp4')[0][0].shape == (32, 64, 3)


def write(path, frames, error=None, lost=0):
    with VideoFile(path, 'mp4v', 10) as video:
        for frame in frames:
            video.write(frame)
        video.num_frames += lost
        if error:
            raise error


def test_an_unfinished_video_leaves_nothing(tmp_path):
    (tmp_path / 'out.mp4').write_text('earlier')
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / 'out.mp4', pictures(3), KeyboardInterrupt())
    assert [path.name for path in tmp_path.iterdir()] == ['out.mp4']
    assert (tmp_path / 'out.mp4').read_text() == 'earlier'


def test_another_size(tmp_path):
    with pytest.raises(ValueError, match=r'out.mp4: frame 1 is 32x32, those before it are 64x32'):
        write(tmp_path / 'out.mp4', pictures(1) + pictures(1, 32, 32))


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(OSError, match=r'nowhere.out.mp4 cannot be written with codec mp4v at 64x32'):
        write(tmp_path / 'nowhere/out.mp4', pictures(1))


def test_frames_that_were_lost_are_noticed(tmp_path):
    with pytest.raises(OSError, match=r'out.mp4: 2 of 3 frames were written'):
        write(tmp_path / 'out.mp4', pictures(2), lost=1)
    assert not list(tmp_path.iterdir())


def test_codecs_are_tried():
    assert can_write('mp4v')
    assert not can_write('abcd')


@pytest.mark.parametrize(('able', 'asked', 'chosen'), [
    ({'avc1', 'mp4v'}, None, 'avc1'), ({'mp4v', 'VP90'}, None, 'mp4v'), ({'avc1', 'VP90'}, 'VP90', 'VP90'),
])
def test_choice(monkeypatch, able, asked, chosen):
    monkeypatch.setattr(videos, 'can_write', lambda codec: codec in able)
    assert choose_codec(asked) == chosen


@pytest.mark.parametrize(('able', 'asked', 'message'), [
    ({'VP90'}, None, r'avc1 or mp4v; it can with VP90 \(VP9\)'),
    ({'mp4v'}, 'avc1', r'avc1; it can with mp4v \(MPEG-4 Part 2\)'), (set(), 'h264', 'h264; it can with none'),
    ({'mp4v'}, 'h.264', 'h.264'),
])
def test_missing_codec(monkeypatch, able, asked, message):
    monkeypatch.setattr(videos, 'can_write', lambda codec: codec in able)
    with pytest.raises(ValueError, match=rf'OpenCV \S+ cannot write mp4 videos with codec {message}'):
        choose_codec(asked)
