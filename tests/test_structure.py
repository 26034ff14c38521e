"""The drawn structure of the package: arrows point down only."""
import ast
import subprocess
import sys
from pathlib import Path

import mmseg_ood

PACKAGE = Path(mmseg_ood.__file__).parent
OPENMMLAB = {'mmseg', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain'}
# What each part may import of this package (beside itself and the version).
BELOW = {
    'core': set(),
    'segmentation': {'core', 'compat'},
    'classification': {'core', 'compat'},
    'report': {'core'},
    'apis': {'core', 'compat', 'segmentation', 'classification', 'report'},
}
FORBIDDEN = {'core': OPENMMLAB, 'classification': {'mmseg'}, 'report': OPENMMLAB}

IMPORT_WITHOUT_OPENMMLAB = '''
import sys, warnings

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ImportError(name + ' is blocked')

sys.meta_path.insert(0, Blocker())
warnings.simplefilter('ignore')
import {module}
loaded = {blocked!r} & {{name.split('.')[0] for name in sys.modules}}
assert not loaded, loaded
'''


def imported_modules(path):
    """Absolute names of what a file imports."""
    package = ['mmseg_ood', *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            module = '.'.join([*base, *([node.module] if node.module else [])])
            yield from (f'{module}.{alias.name}' for alias in node.names)


def test_arrows_point_down():
    for part, below in BELOW.items():
        for path in (PACKAGE / part).rglob('*.py'):
            for module in imported_modules(path):
                if module.startswith('mmseg_ood.'):
                    assert module.split('.')[1] in below | {part, 'version'}, f'{path} imports {module}'
                assert module.split('.')[0] not in FORBIDDEN.get(part, set()), f'{path} imports {module}'


def test_nobody_patches_but_compat():
    """``sys.modules`` and ``setattr`` on foreign modules occur in compat.py alone."""
    for path in PACKAGE.rglob('*.py'):
        if path.name != 'compat.py':
            assert 'sys.modules' not in path.read_text(), path


def run_python(code):
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)


def test_core_imports_with_torch_and_numpy_alone():
    blocked = OPENMMLAB | {'cv2', 'sklearn', 'pycocotools', 'matplotlib', 'scipy'}
    result = run_python(IMPORT_WITHOUT_OPENMMLAB.format(blocked=blocked, module='mmseg_ood.core'))
    assert result.returncode == 0, result.stderr


def test_classification_never_imports_mmseg():
    result = run_python(IMPORT_WITHOUT_OPENMMLAB.format(blocked={'mmseg'}, module='mmseg_ood.classification'))
    assert result.returncode == 0, result.stderr


def test_plain_import_is_light():
    result = run_python(IMPORT_WITHOUT_OPENMMLAB.format(blocked=OPENMMLAB | {'torch'}, module='mmseg_ood'))
    assert result.returncode == 0, result.stderr
