"""The library list of docker-stacks' scipy-notebook, ready to be used."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine
NAME = "scipy-notebook"

# What each name of the upstream list is imported as. Left out is jupyterlab-git alone: it is an
# extension of a server that is not here.
MODULES = [
    "altair",
    "bs4",
    "bokeh.plotting",
    "bottleneck",
    "cloudpickle",
    "Cython",
    "dask.array",
    "dask.dataframe",
    "dask.distributed",
    "dill",
    "h5py",
    "ipympl",
    "ipywidgets",
    "matplotlib.pyplot",
    "numba",
    "numexpr",
    "openpyxl",
    "pandas",
    "patsy",
    "google.protobuf.message",
    "tables",
    "skimage.io",
    "sklearn.ensemble",
    "scipy.stats",
    "scipy.signal",
    "scipy.optimize",
    "seaborn",
    "sqlalchemy",
    "statsmodels.api",
    "statsmodels.formula.api",
    "sympy",
    "widgetsnbextension",
    "xlrd",
]

IMPORTS = f"""
import importlib, importlib.util, json, os, sys
failed = []
for name in {MODULES}:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f"{{name}}: {{error}}")
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
sources = [file for file in files if file.startswith(sys.prefix) and file.endswith(".py")]
print(json.dumps({{
    "failed": failed,
    "many": len(sources) > 1000,
    "slow": [file for file in sources
             if not os.path.exists(importlib.util.cache_from_source(file))],
}}))
"""


def test_the_whole_list_imports_and_is_byte_compiled(python):
    # As a user who cannot write byte code himself, so that none is made by the test.
    found = python(NAME, IMPORTS, user="2000:0")
    assert found == {"failed": [], "many": True, "slow": []}


BYTE_CODE = """
import importlib.util, json, pathlib, sysconfig
root = pathlib.Path(sysconfig.get_path("purelib"))
missing = [str(file) for file in root.rglob("*.py")
           if "/tests/" not in str(file)
           and not pathlib.Path(importlib.util.cache_from_source(str(file))).exists()]
print(json.dumps(missing))
"""


def test_only_test_suites_lack_byte_code(python):
    assert python(NAME, BYTE_CODE) == []


PLOT = """
import io, json, logging, sys, warnings
import matplotlib
matplotlib.use("agg")
import matplotlib.font_manager as fonts
import seaborn, pandas
frame = pandas.DataFrame({"x": range(9), "y": [value ** 2 for value in range(9)]})
axes = seaborn.lineplot(frame, x="x", y="y")
axes.set_title("Größe", fontfamily="Liberation Sans")
picture = io.BytesIO()
axes.figure.savefig(picture, format="png")
print(json.dumps([picture.getvalue()[:4].hex(), len(picture.getvalue()) > 5000,
                  fonts.findfont("Liberation Sans", fallback_to_default=False)[:24]]))
"""


@pytest.mark.parametrize("user", [None, "12345:100", "2000:0"])
def test_plots(python, user):
    assert python(NAME, PLOT, user=user) == ["89504e47", True, "/usr/share/fonts/truetyp"]


COMPUTE = """
import json, numba, numexpr, numpy, pandas, tables, h5py, pyarrow.parquet, dask.dataframe, sympy
import sqlalchemy, sklearn.linear_model, statsmodels.api as sm, os, tempfile
os.chdir(tempfile.mkdtemp())
x = numpy.arange(10.0)

@numba.njit
def total(values):
    result = 0.0
    for value in values:
        result += value
    return result

frame = pandas.DataFrame({"x": x, "y": 2 * x + 1})
frame.to_hdf("t.h5", key="t"); frame.to_parquet("t.parquet"); frame.to_excel("t.xlsx")
engine = sqlalchemy.create_engine("sqlite://")
frame.to_sql("t", engine, index=False)
print(json.dumps([
    total(x),
    float(numexpr.evaluate("sum(x * x)")),
    float(pandas.read_hdf("t.h5", "t")["y"].sum()),
    float(dask.dataframe.read_parquet("t.parquet")["y"].sum().compute()),
    float(pandas.read_excel("t.xlsx")["y"].sum()),
    float(pandas.read_sql("select sum(y) as s from t", engine)["s"][0]),
    round(float(sklearn.linear_model.LinearRegression().fit(frame[["x"]], frame["y"]).coef_[0]), 6),
    round(float(sm.OLS(frame["y"], sm.add_constant(frame["x"])).fit().params["const"]), 6),
    str(sympy.integrate(sympy.Symbol("x"), (sympy.Symbol("x"), 0, 4))),
]))
"""


@pytest.mark.parametrize("user", [None, "2000:0"])
def test_libraries_work_together(python, user):
    # Through files and binary interfaces, where versions that do not fit would show.
    assert python(NAME, COMPUTE, user=user) == [45, 285, 100, 100, 100, 100, 2, 1, "8"]
