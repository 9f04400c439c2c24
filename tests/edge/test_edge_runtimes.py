"""Which runtime and accelerator run a file, what is reported where none can, and that it is closed."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from edge.benchmark import GeneratedSource
from edge.detector import Detector
from edge.errors import InputError
from edge.metadata import read_model
from edge.runtimes import compiled
from edge.runtimes import litert as runtime_module
from edge.runtimes.compiled import CompiledRuntime, GpuError, adapter_of, compare_on_noise, explain_refusal
from edge.runtimes.litert import RUNTIMES, Runtime
from edge.runtimes.runtime import open_runtime

# Where `make gpu-driver` puts a Vulkan device in software.
SWIFTSHADER = Path(sys.prefix) / "share" / "swiftshader" / "vk_swiftshader_icd.json"


def inputs_of(metadata, seed=0):
    generator = np.random.default_rng(seed)
    side = metadata.height
    return {
        "image": generator.uniform(-1, 1, (1, side, side, 3)).astype(np.float32),
        "attention": generator.uniform(0, 1, (1, 4, 4, 1)).astype(np.float32),
        "state": generator.uniform(-1, 1, metadata.states[0].shape).astype(np.float32),
    }


def test_tensorflow_is_the_last_resort(model_file, monkeypatch):
    pytest.importorskip("tensorflow")
    model = read_model(model_file)
    usual = open_runtime(*model)
    assert (usual.name, usual.accelerator, usual.note) == (RUNTIMES[0][1], "cpu", "")
    monkeypatch.setattr(runtime_module, "RUNTIMES", (("no_such_runtime", "none"), RUNTIMES[-1]))
    last = Runtime(*model)
    assert last.name == "tensorflow" and last.version[0].isdigit()
    expected, received = usual(inputs_of(model[1])), last(inputs_of(model[1]))
    for name, values in expected.items():
        np.testing.assert_allclose(received[name], values, atol=1e-5)


class OtherRuntime:
    """A `StepRuntime` that no class of the package knows."""

    name, version, accelerator, note = "other", "1", "cpu", ""

    def __init__(self, runtime):
        self._runtime, self.quantization, self.closed = runtime, runtime.quantization, 0

    def __call__(self, inputs):
        return self._runtime(inputs)

    def close(self):
        self.closed += 1


def test_a_detector_runs_on_any_runtime_and_closes_it(model_file, frames):
    flatbuffer, metadata = read_model(model_file)
    runtime = OtherRuntime(Runtime(flatbuffer, metadata))
    expected = [Detector(model_file)(frame) for frame in frames[:1]]
    with Detector.from_runtime(runtime, metadata) as detector:
        stream = detector.open("camera")
        assert [detector(frame) for frame in frames[:1]] == expected and stream(frames[0]) == expected[0]
    detector.close()
    assert runtime.closed == 1 and stream.closed and detector.streams == ()
    for call in (detector, detector.raw, detector.open("another")):
        with pytest.raises(InputError, match="the detector is closed"):
            call(frames[0])
    with pytest.raises(InputError, match="the detector is closed"):
        next(detector.stream(GeneratedSource(1)))


def test_the_interpreter_is_freed_when_it_is_closed(model_file):
    runtime = open_runtime(*read_model(model_file))
    interpreter = weakref.ref(runtime._interpreter)
    runtime.close()
    runtime.close()
    assert interpreter() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"accelerator": "npu"}, "accelerator must be one of auto, cpu, gpu. Received: 'npu'"),
        ({"accelerator": "gpu", "delegate": "lib.so"}, "Leave out either lib.so or 'gpu'"),
        ({"accelerator": "cpu", "threads": 0}, "threads must be at least 1"),
    ],
)
def test_bad_choices(model_file, arguments, message):
    with pytest.raises(InputError, match=message):
        Detector(model_file, **arguments)


def in_a_process(code: str, driver: str) -> str:
    """Vulkan chooses its driver once a process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "VK_ICD_FILENAMES": driver,
            "VK_DRIVER_FILES": driver,
            # The Vulkan loader lies beside the software driver.
            "LD_LIBRARY_PATH": os.pathsep.join([str(Path(driver).parent), os.environ.get("LD_LIBRARY_PATH", "")]),
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_gpu_is_reported_and_the_cpu_takes_over_only_when_allowed(model_file, tmp_path):
    pytest.importorskip("ai_edge_litert.compiled_model")
    driver = tmp_path / "none.json"
    driver.write_text("{}")
    code = f"""
from edge import Detector, InputError
try:
    Detector({str(model_file)!r}, accelerator="gpu")
except InputError as error:
    print(error)
runtime = Detector({str(model_file)!r}, accelerator="gpu", allow_cpu=True).runtime
print(runtime.accelerator, "|", runtime.note)
"""
    refused, allowed = in_a_process(code, str(driver)).strip().splitlines()
    assert refused.startswith("no GPU was found") and "--allow-cpu" in refused
    assert allowed.startswith("cpu | the CPU took over: no GPU was found") and "--allow-cpu" not in allowed


def test_loading_on_a_gpu_loses_no_line_of_another_thread(model_file, tmp_path):
    pytest.importorskip("ai_edge_litert.compiled_model")
    driver = tmp_path / "none.json"
    driver.write_text("{}")
    code = f"""
import sys, threading
from edge import Detector
loaded, written = threading.Event(), 0
def write():
    global written
    while not loaded.wait(0.002):
        print("line", written, flush=True)
        print("error line", written, file=sys.stderr, flush=True)
        written += 1
writer = threading.Thread(target=write)
writer.start()
Detector({str(model_file)!r}, accelerator="gpu", allow_cpu=True)
loaded.set()
writer.join()
print("written", written)
"""
    *lines, count = in_a_process(code, str(driver)).splitlines()
    # What is written while the taken lines are passed on may come before them.
    assert count == f"written {len(lines)}" and set(lines) == {f"line {number}" for number in range(len(lines))}


def test_without_the_compiler(model_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.compiled_model", None)
    with pytest.raises(GpuError, match="the GPU needs ai-edge-litert"):
        CompiledRuntime(*read_model(model_file))


def test_refused_operators_are_named():
    log = (
        "INFO: Created a WebGPU environment.\n"
        "ERROR: Following operations are not supported by GPU delegate:\n"
        "CUSTOM TFLite_Detection_PostProcess: TFLite_Detection_PostProcess\n"
        "CUMSUM: Operation is not supported.\n"
        "63 operations will run on the GPU, and the remaining 2 operations will run on the CPU.\n"
    )
    message = explain_refusal(log)
    assert "Refused: CUSTOM TFLite_Detection_PostProcess" in message and "CUMSUM" in message
    assert "63 others" in message and "\n" not in message and "--allow-cpu" in str(GpuError(message))
    assert "out of memory" in explain_refusal("ERROR: [delegate.cc:1] out of memory\n")
    assert "no reason" in explain_refusal("")


@pytest.mark.skipif(not SWIFTSHADER.is_file(), reason="needs the software GPU of `make gpu-driver`")
def test_the_gpu_gives_what_the_cpu_gives(model_file):
    code = f"""
import numpy as np
from edge import Detector
frames = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), np.uint8)
cpu, gpu = Detector({str(model_file)!r}), Detector({str(model_file)!r}, accelerator="gpu")
difference = max(abs(a - b).max() for frame in frames for a, b in zip(cpu.raw(frame), gpu.raw(frame)))
print(gpu.runtime.accelerator, difference)
"""
    accelerator, _, difference = in_a_process(code, str(SWIFTSHADER)).strip().rpartition(" ")
    assert accelerator.startswith("gpu (") and float(difference) < 1e-3


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_a_gpu_that_computes_something_else_is_refused(model_file, monkeypatch, factor):
    """The check that guards against drivers that are wrong while fully accelerated."""
    flatbuffer, metadata = read_model(model_file)
    reference = Runtime(flatbuffer, metadata)

    class OnTheCpu:
        """A `CompiledFile` that needs no GPU."""

        fully_accelerated, factor = True, 1.0

        def __init__(self, flatbuffer, signature):
            inputs = inputs_of(metadata).items()
            self.inputs = {name: {"shape": value.shape, "dtype": value.dtype} for name, value in inputs}

        def __call__(self, inputs):
            return {name: self.factor * value for name, value in reference(inputs).items()}

    monkeypatch.setattr(compiled, "CompiledFile", OnTheCpu)
    assert CompiledRuntime(flatbuffer, metadata).accelerator == "gpu"
    monkeypatch.setattr(OnTheCpu, "factor", factor)
    with pytest.raises(GpuError, match=r"gpu gives another .* than the CPU"):
        CompiledRuntime(flatbuffer, metadata)


def test_an_error_that_grows_with_the_state_is_seen():
    def step(gain):
        return lambda inputs: {
            "scores": inputs["image"],
            "next_state": np.float32(gain) * inputs["state"] + inputs["image"],
        }

    inputs = {name: {"shape": (1, 4), "dtype": np.float32} for name in ("image", "state")}
    steps = compare_on_noise(step(0.5), step(0.51), inputs, {"state": ("next_state", 0.0)})
    first, second, third = itertools.islice(steps, 3)
    assert first["next_state"].largest == 0 < second["next_state"].relative < 0.1
    assert third["scores"].largest == third["scores"].mean == 0 < third["scores"].largest_size <= 1


def test_the_adapter_is_named_as_the_log_has_it():
    log = "I0000 x.cc:1] Selected adapter: A GPU, of two words, arch=none\nINFO: more\n"
    assert adapter_of(log) == "A GPU, of two words" and adapter_of("INFO: more\n") == ""
