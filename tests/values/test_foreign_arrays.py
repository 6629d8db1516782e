"""Arrays and scalars of other libraries, by protocol and with the real libraries."""

from __future__ import annotations

import ctypes
import json
import math
import subprocess
import sys
from array import array
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

import logflume
from logflume.testing import capture_events
from logflume.values.arrays import MAX_ELEMENTS
from tests.event_helpers import fields, only, own


def log(**values: Any) -> dict[str, Any]:
    """Log the values as one event and return its fields."""
    with capture_events() as events:
        logflume.get_logger().info("probe", **values)
    return fields(only(events))


class Wrapper:
    """Holds the array that a stand-in for an array of some library gives out."""

    def __init__(self, values: Any = (0.25, 0.5)) -> None:
        self.values = np.array(values)


class OnlyArray(Wrapper):
    def __array__(self, *args: Any, **options: Any) -> Any:
        return self.values


class OnlyList(Wrapper):
    def tolist(self) -> Any:
        return self.values.tolist()


class OnlyPyList(Wrapper):
    def to_pylist(self) -> Any:
        return self.values.tolist()


class OnlyInterface(Wrapper):
    @property
    def __array_interface__(self) -> Any:
        return self.values.__array_interface__


class InterfaceOfInstance(Wrapper):
    def __init__(self) -> None:
        super().__init__()
        self.__array_interface__ = self.values.__array_interface__


class OnlyDlpack(Wrapper):
    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


class BrokenList(OnlyArray):
    """Its `tolist` fails, as that of a 0-d array of some libraries does."""

    def tolist(self) -> Any:
        raise TypeError("iteration over a 0-d array")


@pytest.mark.parametrize(
    "kind",
    [OnlyArray, OnlyList, OnlyPyList, OnlyInterface, InterfaceOfInstance, OnlyDlpack, BrokenList],
)
def test_every_protocol(kind: Any) -> None:
    """An array that offers any one protocol has its values, as they are at the call."""
    value = kind()
    with capture_events() as events:
        logflume.get_logger().info("probe", x=value, inner={"x": kind()})
        value.values[:] = 9

    assert {"x": [0.25, 0.5], "inner/x": [0.25, 0.5]} == fields(only(events))


@pytest.mark.parametrize("kind", [OnlyArray, OnlyList])
def test_large_arrays(kind: Any) -> None:
    """A large array of any library becomes its summary."""
    event = log(x=kind(np.arange(2 * MAX_ELEMENTS)))

    assert (2 * MAX_ELEMENTS, MAX_ELEMENTS - 0.5) == (event["x/n"], event["x/mean"])


class Scalar:
    dtype = "float32"
    shape = ()

    def item(self) -> float:
        return 0.25


class ScalarWithoutType:
    def item(self) -> float:
        return 0.25


class Number:
    def __float__(self) -> float:
        return 0.25


class Index:
    def __index__(self) -> int:
        return 3


@pytest.mark.parametrize("kind", [Scalar, ScalarWithoutType, Number])
def test_scalars(kind: Any) -> None:
    """A scalar is its number, in a declared column, as an undeclared field and as the message."""
    with capture_events() as events:
        log = logflume.get_logger()
        log.info("training", loss=kind(), other=kind())
        log.info(kind())

    training, message = own(events)
    assert (0.25, 0.25) == (training["loss"], training["other"])
    assert ("message", "0.25") == (message["event"], message["message"])


def test_an_integer_of_another_library() -> None:
    """An object with `__index__` becomes an integer."""
    assert {"x": 3.0} == log(x=Index())


class Items:
    def item(self, row: int) -> int:
        return row


def test_a_method_that_is_no_scalar() -> None:
    """An object whose `item` takes an index becomes its text."""
    assert "Items object" in log(x=Items())["x"]


class OnDevice(Wrapper):
    """An array in the memory of a GPU: reading it waits, which must not happen in the call."""

    reads: list[str] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self) -> Any:
        raise BufferError("on a GPU")

    def copy(self) -> OnDevice:
        return OnDevice(self.values)

    def tolist(self) -> Any:
        self.reads.append("tolist")
        return self.values.tolist()


def test_a_device_is_not_waited_for() -> None:
    """An array on a device is copied there at the call, and read by the worker."""
    value = OnDevice()
    OnDevice.reads.clear()
    held = logflume.get_logger()
    held.info("probe", x=value)  # no pipeline runs yet that could read it
    reads_at_the_call = list(OnDevice.reads)
    value.values[:] = 9
    with capture_events() as events:
        pass

    assert [] == reads_at_the_call
    assert [0.25, 0.5] in [event.get("x") for event in events]


class Endless:
    def tolist(self) -> Any:
        return [Endless(), Endless()]


class Itself:
    def tolist(self) -> Any:
        return self


class NoArray:
    def __array__(self, *args: Any, **options: Any) -> Any:
        return "no array"


class OfItself:
    def __array__(self, *args: Any, **options: Any) -> Any:
        return np.array(OfItself(), dtype=object)


class OddShape(OnlyArray):
    shape = ("a", 10**30)


class LongList(list[Any]):
    def __len__(self) -> int:
        return -1

    def __iter__(self) -> Any:
        raise ValueError("no items")


class OddClass:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


class FalseClass:
    __class__ = dict  # type: ignore[assignment]


class FalseArray:
    __class__ = np.ndarray  # type: ignore[assignment]


def raising(error: BaseException) -> Any:
    def read(*args: Any, **options: Any) -> Any:
        raise error

    return type("Raising", (), {"tolist": read, "__array__": read, "__len__": read})()


@pytest.mark.parametrize(
    "make",
    [
        Itself,
        NoArray,
        OfItself,
        LongList,
        OddClass,
        FalseClass,
        FalseArray,
        lambda: raising(ValueError("no values")),
        lambda: raising(MemoryError()),
    ],
)
def test_values_that_lie(make: Callable[[], Any]) -> None:
    """A value whose methods lie or raise becomes a mark; the other fields are unaffected."""
    event = log(a=1, x=make(), b=2)

    assert (1.0, 2.0) == (event["a"], event["b"])
    assert "that could not be read: " in event["x"]


def test_lies_about_size() -> None:
    """A list of lists without end is cut; a shape that isn't one doesn't matter."""
    event = log(endless=Endless(), odd=OddShape())

    assert "<nested deeper than 16>" in event["endless"]
    assert [0.25, 0.5] == event["odd"]


def test_non_finite_decimals() -> None:
    """Decimals that aren't finite are the floats of that name."""
    event = log(x=[Decimal("sNaN"), Decimal("-Infinity")])

    assert {"x.0": "NaN", "x.1": "-Infinity"} == event["nonfinite"]


def test_standard_library() -> None:
    """`array.array` and `memoryview` are numbers, a view of bytes is text."""
    numbers = array("d", [0.25, math.nan])

    event = log(a=numbers, view=memoryview(numbers)[:1], text=memoryview(b"ab"), none=array("i"))
    assert ([0.25], "ab") == (event["view"], event["text"])
    assert 0.25 == event["a"][0]
    assert math.isnan(event["a"][1])


def test_pandas() -> None:
    """Series, indexes, extension arrays and tables of pandas are lists, with null where NA is."""
    pd = pytest.importorskip("pandas")

    assert {
        "series": [1.0, 2.5],
        "nullable": [1.0, None],
        "index": [1.0, 2.0],
        "category": ["a", "b"],
        "time": ["2026-01-01T00:00:00"],
        "table/a": [1.0, 2.0],
        "table/b": ["x", "y"],
        "na": None,
        "nat": None,
    } == log(
        series=pd.Series([1, 2.5]),
        nullable=pd.array([1, None], dtype="Int64"),
        index=pd.Index([1, 2]),
        category=pd.Categorical(["a", "b"]),
        time=pd.Series(pd.to_datetime(["2026-01-01"])),
        table=pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        na=pd.NA,
        nat=pd.NaT,
    )
    assert 2 * MAX_ELEMENTS == log(x=pd.Series(range(2 * MAX_ELEMENTS)))["x/n"]


def test_polars_and_arrow() -> None:
    """Columns and tables of Polars and Arrow are lists, an Arrow scalar is its value."""
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")

    assert {
        "series": [1.0, None],
        "frame/a": [1.0],
        "array": [1.0, None],
        "chunked": [1.0, 2.0],
        "scalar": 3.0,
        "table/a": [1.0],
    } == log(
        series=pl.Series([1, None]),
        frame=pl.DataFrame({"a": [1]}),
        array=pa.array([1, None]),
        chunked=pa.chunked_array([[1], [2]]),
        scalar=pa.scalar(3),
        table=pa.table({"a": [1]}),
    )


def test_jax() -> None:
    """Arrays of JAX have their values, also if their buffers are donated after the call."""
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    step = jnp.arange(3.0)
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    with capture_events() as events:
        log = logflume.get_logger()
        log.info("probe", x=jnp.float32(0.25), half=jnp.ones(2, jnp.bfloat16), step=step[1])
        log.info("probe", donated=step, large=jnp.ones((100, 100)))
        add(step)
        jax.jit(lambda x: log.info("probe", x=x))(jnp.ones(2))
        log.info(jnp.float32(0.25))

    scalar, donated, inside, message = own(events)
    assert (0.25, [1.0, 1.0], 1) == (scalar["x"], scalar["half"], scalar["step"])
    assert [0.0, 1.0, 2.0] == donated["donated"]
    assert (10_000.0, 1.0) == (donated["large/n"], donated["large/mean"])
    assert "while JAX traces a function" in str(inside)
    assert "0.25" == message["message"]


def test_no_library_is_imported() -> None:
    """Logging arrays of the standard library and objects imports no array library."""
    script = (
        "import sys, logflume, array, types\n"
        "from logflume.values.snapshot import snapshot\n"
        "numbers = array.array('d', [1.0] * 9999)\n"
        "snapshot([numbers, types.SimpleNamespace(a=1), range(3), object()])\n"
        "print(sorted({'numpy', 'torch', 'pandas', 'jax', 'pyarrow', 'polars'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "[]" == done.stdout.strip()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="requires a GPU")
def test_large_tensors_on_a_gpu() -> None:
    """The summary of a large CUDA tensor is computed on the GPU, without a wait in the call."""
    tensor = torch.arange(100_000.0, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        with capture_events() as events:
            logflume.get_logger().info("probe", x=tensor)
            tensor.zero_()
    finally:
        torch.cuda.set_sync_debug_mode("default")

    event = only(events)
    assert (100_000.0, 99_999.0, 49_999.5) == (event["x/n"], event["x/max"], event["x/mean"])


class Sparse(Wrapper):
    shape: tuple[int, ...] = (2,)
    dtype = "float64"

    def todense(self) -> Any:
        return self.values


class VastSparse(Sparse):
    shape = (10**6, 10**6)

    def todense(self) -> Any:
        raise MemoryError


class RefusesArray(Wrapper):
    """As CuPy and cuDF do: no implicit conversion."""

    dtype = "float64"

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("no implicit conversion")

    def to_numpy(self) -> Any:
        return self.values


class OnlyNumpy(Wrapper):
    def numpy(self) -> Any:
        return self.values


class ItemOfNumPy:
    def item(self) -> Any:
        return np.float32(0.25)


class NumpyOfSomethingElse:
    def numpy(self) -> Any:
        return "version 2"

    def __str__(self) -> str:
        return "a report"


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_sparse_arrays() -> None:
    """A sparse array is dense if that takes little memory, else its shape and type."""
    dense = [[1.0, 0.0], [0.0, 1.0]]
    coo = torch.eye(2).to_sparse()
    for sparse in (coo, coo.to_sparse_csr()):
        assert dense == json.loads(log(x=sparse)["x"])
    assert [0.25, 0.5] == log(x=Sparse())["x"]
    assert 0.01 == log(x=torch.eye(100).to_sparse())["x/mean"]
    vast = torch.sparse_coo_tensor(torch.zeros(2, 1), torch.ones(1), (10**6, 10**6))
    for value in (vast, VastSparse()):
        assert {"x/shape", "x/dtype", "x/n"} == set(log(x=value))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors(layout: torch.layout) -> None:
    """A nested tensor is the list of its tensors."""
    nested = torch.nested.as_nested_tensor([torch.ones(1), torch.zeros(2)], layout=layout)

    assert [[1.0], [0.0, 0.0]] == json.loads(log(x=nested)["x"])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_quantized_tensors() -> None:
    """A quantized tensor has the values that it stands for."""
    assert [0.5, 1.0] == log(
        x=torch.quantize_per_tensor(torch.tensor([0.5, 1.0]), 0.5, 0, torch.quint8)
    )["x"]


def test_complex_long_doubles() -> None:
    """A complex number of any precision is the text of a complex number."""
    event = log(x=np.clongdouble(1 + 2j), xs=np.ones(1, np.clongdouble))

    assert {"x": "(1+2j)", "xs": ["(1+0j)"]} == event


@pytest.mark.parametrize("count", [2, MAX_ELEMENTS + 1])
@pytest.mark.parametrize("kind", [RefusesArray, OnlyNumpy])
def test_arrays_that_refuse_a_protocol(kind: type[Wrapper], count: int) -> None:
    """If one protocol fails, another is used."""
    event = log(x=kind([0.25] * count))

    assert [0.25] * 2 == event["x"] if count == 2 else event["x/mean"] == 0.25


def test_methods_that_return_anything() -> None:
    """`item` and `numpy` count if they return a number or an array."""
    assert {"a": 0.25, "b": "a report"} == log(a=ItemOfNumPy(), b=NumpyOfSomethingElse())


def test_arrow_scalars() -> None:
    """A scalar of Arrow becomes the value that it holds, also a null."""
    moment = datetime(2024, 1, 1)

    assert {"x": "2024-01-01T00:00:00"} == log(x=pa.scalar(moment))
    assert {"x": 0.5, "y": "text"} == log(x=pa.scalar(Decimal("0.5")), y=pa.scalar("text"))
    assert {"x": None, "y": None} == log(x=pa.nulls(1)[0], y=pa.array([1, None])[1])


def test_ctypes() -> None:
    """Arrays and scalars of ctypes are values."""
    event = log(
        array=(ctypes.c_float * 2)(0.25, 0.5),
        scalar=ctypes.c_double(0.5),
        text=ctypes.create_string_buffer(b"ab"),
        large=(ctypes.c_int * (MAX_ELEMENTS + 1))(),
    )

    assert ([0.25, 0.5], 0.5, "ab") == (event["array"], event["scalar"], event["text"])
    assert MAX_ELEMENTS + 1 == event["large/n"]


def test_large_datasets() -> None:
    """A large dataset is not read, which could take more than the memory."""

    class Dataset:
        shape = (10**9, 2)

        def __len__(self) -> int:
            return 10**9

        def to_list(self) -> Any:
            raise MemoryError

    assert {"x/shape": [1e9, 2.0], "x/dtype": "object", "x/n": 2e9} == log(x=Dataset())
