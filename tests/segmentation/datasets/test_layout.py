"""Templates: what is a name, and what is not."""
import pytest

from mmseg_ood.segmentation.datasets.layout import Layout, find_files, find_frames, first_few


@pytest.fixture
def names(tmp_path):
    def names(template, *files):
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        found = find_files(tmp_path, template)
        assert all(path.is_file() for path in found.values())
        return sorted(found)
    return names


def test_scene_is_no_part_of_the_name(names):
    assert names('SCENE/NAME.png', 'a/1.png', 'b/2.png', 'b/3.jpg', '4.png') == ['1', '2']
    with pytest.raises(ValueError, match=r'two files for the frame 1: .*a/1\.png and .*c/1\.png'):
        names('SCENE/NAME.png', 'c/1.png')


def test_folder_is(names):
    assert names('x/FOLDER/NAME.png', 'x/a/1.png', 'x/b/1.png', 'x/b/c/2.png', 'x/3.png') == ['a/1', 'b/1']


def test_hidden_files_and_folders_are_none(names):
    assert names('FOLDER/NAME.png', '.trash/1.png', 'a/._1.png', 'a/1.png') == ['a/1']


def test_number_and_choice(names):
    assert names('NUMBER_NAME{_left,}.png', '01_a_left.png', '2_b.png', 'x_c.png') == ['a', 'b']


def test_frames_pair_by_folder_and_name(tmp_path, names):
    names('i/NAME.png', *(f'{kind}/{frame}.png' for kind in ('i', 'l') for frame in ('t2/1', 't10/1', 't2/10')))
    _, frames = find_frames(tmp_path, [Layout('any', 'i/FOLDER/NAME.png', 'l/FOLDER/NAME.png')])
    assert [frame.name for frame in frames] == ['t2/1', 't2/10', 't10/1']
    assert all(frame.label == tmp_path / f'l/{frame.name}.png' for frame in frames)


def test_first_few():
    assert first_few(['b10', 'b9']) == 'b9, b10'
    assert first_few(range(6), '; ') == '0; 1; 2; 3; 4 and 1 more'
    assert first_few([]) == ''
