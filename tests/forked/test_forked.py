"""A forked program behaves as a fresh interpreter does."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.forked import ADDRESS, can_fork, forked_python
from tests.serving.running import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_fork(), reason="programs are forked on Linux alone"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["forked", "fresh"])
def python(request):
    """Both, as what is forked has to do as what isn't."""
    return forked_python() if request.param == "forked" else sys.executable


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_it_has_its_own_arguments_folder_environment_and_streams(python, tmp_path):
    program = "import os, sys; print(sys.argv, os.getcwd(), os.environ['MINE'], 'PATH' in os.environ, sys.stdin.read())"
    done = run(python, "-c", program, "a", "b c", cwd=tmp_path, env={"MINE": "x"} | own(), input="heard")
    assert done.stdout == f"['-c', 'a', 'b c'] {tmp_path} x False heard\n", done.stderr


def own():
    """The environment that packages read when they are imported, which has to be the server's."""
    return {name: value for name, value in os.environ.items() if name.startswith(("HF_", "OMP_", "MKL_"))}


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit(-1)", 255, ""),
        ("import sys; sys.exit(True)", 1, ""),
        ("import sys; sys.stdout.close()", 0, ""),
        ("import sys; sys.exit('a sentence')", 1, "a sentence\n"),
        ("import os; os._exit(7)", 7, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import os; os.abort()", -signal.SIGABRT, ""),
        ("import atexit, sys; atexit.register(lambda: sys.stderr.write('at exit\\n'))", 0, "at exit\n"),
        ("import threading, time\nthreading.Thread(target=lambda: [time.sleep(0.1), 1 / 0]).start()", 0, None),
    ],
)
def test_it_ends_as_it_would(python, program, status, said):
    done = run(python, "-c", program)
    assert done.returncode == status, done.stderr
    assert said is None or done.stderr.endswith(said)
    assert bool(done.stderr) == (said != "")


def test_modules_and_files_are_main(python, tmp_path):
    source = "import sys, beside; print(__name__, sys.argv[1:], sys.modules['__main__'].__dict__ is globals())"
    (tmp_path / "program.py").write_text(source)
    (tmp_path / "beside.py").write_text("")
    expected = "__main__ ['x'] True\n"
    assert run(python, str(tmp_path / "program.py"), "x").stdout == expected
    assert run(python, "-m", "program", "x", cwd=tmp_path).stdout == expected
    elsewhere = os.environ | {"PYTHONPATH": str(tmp_path)}
    assert run(python, "-m", "program", "x", env=elsewhere).stdout == expected


def test_what_reads_no_more_is_told_so(python):
    program = "import sys\nfor _ in range(9**5): print('x' * 99)"
    with subprocess.Popen(
        [python, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 1
        assert "BrokenPipeError" in process.stderr.read()


def test_its_streams_can_be_changed_and_are_what_they_are(python, tmp_path):
    program = (
        "import sys\nfor stream in (sys.stdout, sys.stderr):\n"
        "    stream.reconfigure(errors='backslashreplace')\n"
        "    print(stream.encoding, stream.errors, stream.seekable(), stream.isatty(), '\\udc80', file=stream)\n"
        "print(sys.stdin.encoding, sys.stdin.readline())"
    )
    done = run(python, "-c", program, input="heard\n")
    assert (done.returncode, done.stderr) == (0, "utf-8 backslashreplace False False \\udc80\n")
    assert done.stdout == "utf-8 backslashreplace False False \\udc80\nutf-8 heard\n\n"
    with (tmp_path / "out").open("w") as file:
        subprocess.run([python, "-c", "import sys; print(sys.stdout.seekable())"], stdout=file, check=True)
    assert (tmp_path / "out").read_text() == "True\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signals_reach_it(python, number, tmp_path):
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with subprocess.Popen([python, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        pid = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(60) == -number
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


def test_a_handler_of_its_own_runs(python):
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print(1, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([python, "-c", program], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.terminate()
        assert process.wait(60) == 5


def test_a_timeout_ends_it(python, tmp_path):
    program = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(subprocess.TimeoutExpired):
        run(python, "-c", program, timeout=0.5)
    wait_for(lambda: not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists())


def test_spawned_processes_are_forked_as_well(python, tmp_path):
    (tmp_path / "program.py").write_text(
        "import multiprocessing, sys\n"
        "def square(x): return x * x\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_executable(sys.argv[1])\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(square, [2, 3]))"
    )
    done = run(python, str(tmp_path / "program.py"), python)
    assert done.stdout == "[4, 9]\n", done.stderr


def test_the_large_packages_are_there_and_ours_is_not():
    program = "import sys; print([name in sys.modules for name in ('torch', 'transformers', 'ser_tl')])"
    assert run(forked_python(), "-c", program).stdout == "[True, True, False]\n"
    begin = time.process_time()
    done = run(forked_python(), "-c", "import os, sys, numpy; print(numpy.random.rand())", cwd=ROOT)
    assert done.stdout != run(forked_python(), "-c", "import numpy; print(numpy.random.rand())").stdout
    assert time.process_time() - begin < 2


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="pytest runs in one process")
@pytest.mark.skipif("SER_TL_FRESH_PROGRAMS" in os.environ, reason="fresh interpreters are asked for")
def test_pytests_own_processes_are_forks():
    assert b"forked/server.py" in Path(f"/proc/{os.getppid()}/cmdline").read_bytes()


def test_what_imports_read_makes_it_a_fresh_interpreter():
    program = "import sys; print('torch' in sys.modules)"
    fresh = run(forked_python(), "-c", program, env=os.environ | {"HF_HUB_OFFLINE": "0"})
    assert (fresh.returncode, fresh.stdout.strip()) == (0, "False"), fresh.stderr
    assert run(forked_python(), "-c", program).stdout.strip() == "True"


def test_the_level_of_messages_makes_no_fresh_interpreter():
    program = "import sys, huggingface_hub; print('torch' in sys.modules, huggingface_hub.logging.get_verbosity())"
    for given, level in (({}, logging.WARNING), ({"HF_HUB_VERBOSITY": "info"}, logging.INFO)):
        environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_VERBOSITY"} | given
        assert run(forked_python(), "-c", program, env=environment).stdout == f"True {level}\n"


@pytest.mark.exhaustive
def test_the_server_ends_with_who_uses_it():
    program = (
        "import subprocess, os; from tests.forked import can_fork, forked_python\n"
        "print(subprocess.check_output([forked_python(), '-c', 'import os; print(os.getppid())'], text=True))"
    )
    own = {name: value for name, value in os.environ.items() if name != ADDRESS}
    server = int(run(sys.executable, "-c", program, cwd=ROOT, env=own).stdout)
    wait_for(lambda: not Path(f"/proc/{server}").exists())
