"""Frames of videos and of several sources: in which order, and which stand for all of them."""
import cv2
import numpy as np
import pytest

from mmseg_ood.apis.frames import Frame, Frames, VideoFrames, sample


def write_video(path, pictures):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 12.5, pictures[0].shape[1::-1])
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


@pytest.fixture
def video(tmp_path):
    """Ten frames, each of one grey that tells its number."""
    greys = [np.full((32, 64, 3), 20 * index, np.uint8) for index in range(10)]
    return VideoFrames(write_video(tmp_path / 'drive.avi', greys), 'drive')


@pytest.fixture
def images():
    """Three frames, each of one grey that tells its number."""
    return [Frame(f'image_{index}', '', lambda index=index: sample(np.full((4, 6, 3), 20 * index, np.uint8), ''))
            for index in range(3)]


def names(frames):
    return [frame.name for frame in frames]


def numbers(frames):
    return [round(frame.load()['img'].mean() / 20) for frame in frames]


def test_video(video):
    assert (video.count, video.frames_per_second, video.is_webcam) == (10, 12.5, False)
    for _ in range(2):  # it can be gone through again
        frames = list(video)
        assert names(frames) == [f'drive_{index:06d}' for index in range(10)]
        assert numbers(frames) == list(range(10))
    assert frames[3].origin == f'{video.source}, frame 3'
    assert frames[3].load()['ori_shape'] == (32, 64)
    assert numbers(video.spread([2, 9, 4])) == [2, 9, 4]


def test_videos_are_read_frame_by_frame(video, monkeypatch):
    read = []

    class Capture:
        def read(self):
            read.append(1)
            return True, np.zeros((2, 2, 3), np.uint8)

        def release(self):
            read.append('released')

    monkeypatch.setattr(cv2, 'VideoCapture', lambda path: Capture())
    frames = iter(video)
    assert names([next(frames), next(frames)]) == ['drive_000000', 'drive_000001']
    frames.close()
    assert read == [1, 1, 'released']


def test_several_sources(video, images):
    frames = Frames([images, video, images])
    assert frames.count == 16
    assert names(frames)[:4] == ['image_0', 'image_1', 'image_2', 'drive_000000']
    assert not frames.is_endless


def test_frames_spread_over_all_sources(video, images):
    frames = Frames([video, video, images])
    chosen = list(frames.spread(4))  # 0, 7, 14 and 22 of 23
    assert names(chosen) == ['drive_000000', 'drive_000007', 'drive_000004', 'image_2']
    assert numbers(chosen) == [0, 7, 4, 2]
    assert names(frames.spread(100)) == names(frames)
    assert names(Frames([images]).spread(1)) == ['image_0']


def test_frames_of_unknown_number(video, images):
    video.count = None
    frames = Frames([images, video])
    assert frames.count is None
    assert names(frames.spread(4)) == ['image_0', 'image_1', 'image_2', 'drive_000000']


def test_webcam_is_endless():
    webcam = VideoFrames(7, 'webcam_7')
    assert Frames([webcam]).is_endless
    assert Frames([webcam]).count is None
    frame, = webcam  # there is none
    with pytest.raises(ValueError, match='webcam 7 cannot be read as a video'):
        frame.load()


def test_broken_video(tmp_path, images):
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    broken = VideoFrames(tmp_path / 'broken.mp4', 'broken')
    frames = list(Frames([broken, images]))
    assert names(frames) == ['broken', 'image_0', 'image_1', 'image_2']
    for frame in (frames[0], *broken.spread([0])):
        with pytest.raises(ValueError, match=r'broken.mp4 cannot be read as a video'):
            frame.load()


def test_video_that_breaks_off(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 160, 320, 3)).astype(np.uint8)
    path = write_video(tmp_path / 'cut.avi', noise)
    assert len(list(VideoFrames(path, 'cut'))) == 40
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])  # the header still promises 40 frames
    frames = list(VideoFrames(path, 'cut'))
    assert 15 < len(frames) < 25
    with pytest.raises(ValueError, match=rf'cut.avi ends after {len(frames) - 1} of 40 frames'):
        frames[-1].load()
