"""Pages of the small result folder that the tests of the report use."""
import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location('result_folders', Path(__file__).parents[1] / 'report' / 'conftest.py')
result_folders = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(result_folders)
