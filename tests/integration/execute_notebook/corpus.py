"""Notebooks as people write them, to run by each kind of kernel: see test_same_results.py.

A notebook is one text: `# %%` begins a cell, and what follows on that line are the cell's tags. Each shows something
that depends on what it exercises, and that is the same in each run but for ids and times. What comes by a thread of
ipykernel (from descriptors 1 and 2, from forked processes) has no place among what is printed, and is lost when it
comes after the end of the cell: such cells print nothing else, and sleep.
"""

import re

from integration.suite import Cell, code

_CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)

# Together in one folder.
PLAIN = {
    # --- matplotlib
    "matplotlib-pyplot": """
import numpy as np
import matplotlib.pyplot as plt
# %%
x = np.linspace(0, 10, 50)
plt.plot(x, np.sin(x), label="sin")
plt.legend()
plt.title("A wave")
plt.show()
# %%
fig = plt.figure(figsize=(3, 2))
plt.hist(np.arange(20) % 7)
plt.close()
fig
# %%
plt.bar(["a", "b"], [1, 2])
""",
    "matplotlib-objects": """
import matplotlib.pyplot as plt
import numpy as np

fig, axes = plt.subplots(2, 2, figsize=(4, 3), layout="constrained")
axes[0, 0].plot([1, 2, 3])
axes[0, 1].scatter([1, 2, 3], [3, 1, 2], c=[1, 2, 3])
axes[1, 0].imshow(np.arange(9).reshape(3, 3))
axes[1, 1].text(0.1, 0.5, r"$\\alpha^2$")
axes.shape
# %%
fig, ax = plt.subplots(figsize=(2, 2))
ax.plot([1, 2], [2, 1])
# %%
plt.get_fignums(), plt.isinteractive()
""",
    "matplotlib-inline": """
%matplotlib inline
%config InlineBackend.figure_formats = ["svg", "png"]
%config InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Date": None}}
import matplotlib
import matplotlib.pyplot as plt
plt.rcParams["svg.hashsalt"] = "salt"
plt.plot([1, 3, 2])
# %%
print(matplotlib.get_backend(), plt.rcParams["figure.dpi"], plt.rcParams["figure.figsize"])
%config InlineBackend.figure_formats
""",
    "matplotlib-rcparams": """
import matplotlib as mpl
import matplotlib.pyplot as plt

plt.rcParams["figure.figsize"] = (2, 1.5)
plt.rcParams.update({"axes.grid": True, "lines.linewidth": 4})
plt.plot([1, 2, 1])
plt.show()
# %%
with plt.rc_context({"axes.facecolor": "yellow"}):
    plt.plot([2, 1, 2])
    plt.show()
# %%
plt.rcdefaults()
print({name: mpl.rcParams[name] for name in ("figure.figsize", "axes.grid", "figure.dpi", "font.family", "backend")})
plt.plot([1, 2, 1]);
""",
    "matplotlib-several": """
import matplotlib.pyplot as plt
for color in ("red", "green", "blue"):
    plt.figure(figsize=(1, 1))
    plt.plot([1, 2], color=color)
print("three")
# %%
print(plt.get_fignums())
one, other = plt.figure(figsize=(1, 1)), plt.figure(figsize=(1, 2))
display(other)
plt.close(other)
# %%
one
""",
    "matplotlib-styles": """
import matplotlib.pyplot as plt
before = dict(plt.rcParams)
plt.style.use("ggplot")
print(sorted(name for name in before if before[name] != plt.rcParams[name]))
print(len(plt.style.available) > 10)
# %%
with plt.style.context("dark_background"):
    plt.figure(figsize=(2, 2))
    plt.plot([1, 2, 3], [3, 2, 3])
    plt.show()
plt.figure(figsize=(2, 2))
plt.plot([1, 2, 3], [3, 2, 3])
plt.show()
""",
    "matplotlib-agg": """
import matplotlib
matplotlib.use("Agg")
import hashlib
import io
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
ax.pie([1, 2, 3])
fig.canvas.draw()
print(matplotlib.get_backend(), hashlib.sha256(fig.canvas.buffer_rgba()).hexdigest()[:20])
plt.show()
# %%
buffer = io.BytesIO()
fig.savefig(buffer, dpi=40)
print(hashlib.sha256(plt.imread(io.BytesIO(buffer.getvalue())).tobytes()).hexdigest()[:20])
""",
    "matplotlib-environment": """
%env MPLBACKEND=svg
import os
import matplotlib
import matplotlib.pyplot as plt
print(matplotlib.get_backend(), os.environ["MPLBACKEND"])
plt.plot([1, 2])
""",
    "matplotlib-animation": """
import matplotlib.pyplot as plt
from IPython.display import HTML
from matplotlib.animation import FuncAnimation

fig, ax = plt.subplots(figsize=(1, 1))
(line,) = ax.plot([0, 1], [0, 0])
shown = FuncAnimation(fig, lambda frame: line.set_ydata([0, frame]), frames=2)
plt.close()
HTML(shown.to_jshtml())
""",
    "matplotlib-logged": """
import logging
logging.basicConfig(level=logging.DEBUG, format="%(name)s %(levelname)s %(message)s")
import matplotlib
import matplotlib.pyplot as plt
# %%
print([handler.level for handler in logging.root.handlers], logging.getLogger("matplotlib").getEffectiveLevel())
""",
    # --- seaborn and plotly
    "seaborn-theme": """
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
sns.set_theme(style="whitegrid", palette="muted")
frame = pd.DataFrame({"kind": list("aabbcc"), "value": [1, 3, 2, 5, 4, 4]})
sns.barplot(frame, x="kind", y="value", hue="kind", seed=1)
plt.show()
# %%
print(plt.rcParams["axes.grid"], plt.rcParams["font.family"], "rocket" in plt.colormaps())
sns.color_palette("rocket", 3)
""",
    "seaborn-grid": """
import numpy as np
import pandas as pd
import seaborn as sns
frame = pd.DataFrame(np.random.default_rng(1).normal(size=(30, 2)), columns=["x", "y"]).assign(kind=["a", "b"] * 15)
sns.relplot(frame, x="x", y="y", col="kind", height=2)
""",
    "plotly-express": """
import pandas as pd
import plotly.express as px
import plotly.io as pio
print(pio.renderers.default)
pio.renderers.default = "plotly_mimetype"
frame = pd.DataFrame({"x": [1, 2, 3], "y": [2, 4, 3], "kind": ["a", "b", "a"]})
px.scatter(frame, x="x", y="y", color="kind")
# %%
px.bar(frame, x="kind", y="y").show()
""",
    "seaborn-heatmap": """
import numpy as np
import pandas as pd
import seaborn as sns
axes = sns.heatmap(pd.DataFrame(np.eye(3), index=list("abc")), annot=True, cbar=False)
print(axes.get_ylim(), [text.get_text() for text in axes.texts])
""",
    "plotly-line": """
import pandas as pd
import plotly.express as px
import plotly.io as pio
figure = px.line(pd.DataFrame({"x": [1, 2], "y": [2, 1]}), x="x", y="y")
print(pio.renderers.default, len(figure.to_json()))
figure
""",
    "plotly-objects": """
import plotly.graph_objects as go
import plotly.io as pio
from IPython.display import HTML
figure = go.Figure(go.Scatter(x=[1, 2], y=[2, 1]), layout={"title": {"text": "A line"}})
print(pio.templates.default, len(figure.to_json()))
HTML(figure.to_html(include_plotlyjs=False, full_html=False))
# %%
pio.renderers.default = "json"
figure.show()
# %% raises-exception
go.Scatter(colour="red")
""",
    # --- pandas
    "pandas-html": """
import numpy as np
import pandas as pd
frame = pd.DataFrame({"n": range(100), "t": pd.date_range("2024-01-01", periods=100), "s": ["<b>"] * 100})
frame
# %%
display(frame.head(2), frame.dtypes)
frame.info()
# %%
print(frame.groupby(frame.n % 3)["n"].agg(["sum", "mean"]))
frame.describe()
""",
    "pandas-style": """
import pandas as pd
frame = pd.DataFrame({"a": [1, -2], "b": [0.5, 0.25]})
frame.style.highlight_max(color="lime").format(precision=1)
# %%
frame.style.set_caption("Bars").bar(color="red").hide(axis="index")
# %%
display(frame.style.background_gradient())
""",
    "pandas-options": """
import pandas as pd
pd.set_option("display.max_rows", 4, "display.precision", 1)
frame = pd.DataFrame({"x": [index / 7 for index in range(10)]})
frame
# %%
with pd.option_context("display.max_rows", None, "display.notebook_repr_html", False):
    display(frame)
print(frame)
pd.reset_option("display")
print(pd.get_option("display.max_rows"), pd.get_option("display.width"))
""",
    "pandas-plot": """
import pandas as pd
frame = pd.DataFrame({"a": [1, 3, 2], "b": [2, 1, 3]})
frame.plot(figsize=(3, 2), title="Of pandas")
# %%
frame["a"].plot.bar(figsize=(2, 2));
""",
    "pandas-files": """
import io
import pandas as pd
frame = pd.read_csv(io.StringIO("day,n\\n2024-01-01,1\\n2024-03-01,2\\n"), parse_dates=["day"], index_col="day")
frame.to_csv("days.csv")
print(open("days.csv").read(), frame.resample("MS").sum())
frame.to_pickle("days.pickle")
pd.read_pickle("days.pickle").equals(frame)
# %%
frame["n"].astype("category"), pd.array([1, None], dtype="Int64"), pd.Timestamp("2024-07-01", tz="Europe/Berlin")
# %% raises-exception
frame["missing"]
""",
    "pandas-strict": """
import warnings
warnings.simplefilter("error")
import pandas as pd
import numpy as np
print(len(warnings.filters) > 1, warnings.filters[0][:3])
# %% raises-exception
np.array([1.0]) / np.array([0.0])
""",
    "pandas-timezone": """
import os
import time
os.environ["TZ"] = "Asia/Tokyo"
time.tzset()
import pandas as pd
print(time.tzname, time.localtime(0).tm_hour, pd.Timestamp.fromtimestamp(0), pd.Timestamp(0, unit="s", tz="UTC"))
""",
    # --- ipywidgets
    "widgets-slider": """
import ipywidgets as widgets
slider = widgets.IntSlider(value=3, max=9, description="n")
display(slider)
# %%
seen = []
slider.observe(lambda change: seen.append((change.old, change.new)), names="value")
slider.value = 7
print(seen, slider)
widgets.VBox([slider, widgets.Text("text")])
""",
    "widgets-output": """
import ipywidgets as widgets
from IPython.display import HTML
out = widgets.Output()
with out:
    print("inside")
    display(HTML("<b>inside</b>"))
out
# %% raises-exception
out.clear_output()
out.append_stdout("more")
with out:
    1 / 0
# %%
print(len(out.outputs))
""",
    "widgets-interact": """
from ipywidgets import interact, interactive, fixed

@interact(x=4, y=fixed(2))
def product(x, y):
    print("product", x * y)
    return x * y
# %%
made = interactive(lambda a: a + 1, a=(0, 10))
made.update()
print(made.result, [type(child).__name__ for child in made.children])
""",
    # --- logging and warnings
    "logging-basic": """
import logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(name)s:%(module)s:%(message)s")
logging.debug("no")
logging.info("yes")
logging.getLogger("a.b").warning("of %s", "b")
# %%
logging.root.handlers, logging.getLogger("a.b").parent
# %%
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("caught")
""",
    "logging-handlers": """
import io
import logging
import sys
log = logging.getLogger("mine")
log.addHandler(logging.StreamHandler(sys.stderr))
log.addHandler(logging.StreamHandler(text := io.StringIO()))
log.propagate = False
log.error("to both")
log.info("to none")
# %%
print(repr(text.getvalue()), logging.lastResort.level)
handlers = [logging.getLogger(each).handlers for each in ("IPKernelApp", "traitlets")]
print(logging.getLogger().level, [[(type(one).__name__, one.level) for one in each] for each in handlers])
# %%
logging.getLogger("other").warning("by the last resort")
""",
    "logging-warnings": """
import logging
import warnings
logging.basicConfig(format="%(name)s")
logging.captureWarnings(True)
warnings.warn("into the log")
# %%
logging.captureWarnings(False)
warnings.warn("to stderr")
""",
    "warnings-cell": """
import warnings

def old():
    warnings.warn("old is old", DeprecationWarning, stacklevel=2)

old()
# %%
for _ in range(3):
    warnings.warn("a user's")
# %%
warnings.warn("pending", PendingDeprecationWarning)
warnings.warn("import", ImportWarning)
warnings.warn("resource", ResourceWarning)
# %%
print(*warnings.filters, sep="\\n")
""",
    "warnings-filters": """
import warnings
warnings.filterwarnings("ignore")
import numpy as np
import pandas as pd
np.array([1.0]) / 0
# %%
warnings.resetwarnings()
warnings.simplefilter("once")
for number in (1, 1, 2):
    warnings.warn(f"number {number}")
# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    np.log(0)
    int("1") is 1
print([(each.category.__name__, str(each.message)) for each in caught])
""",
    # --- Processes and threads
    "multiprocessing-fork": """
import multiprocessing as mp
import os
import warnings
warnings.filterwarnings("ignore", category=DeprecationWarning)

def square(number):
    return number * number, os.getppid() == parent

parent = os.getpid()
context = mp.get_context("fork")
with context.Pool(2) as pool:
    print(pool.map(square, range(5)))
# %%
queue = context.Queue()
process = context.Process(target=lambda: queue.put(mp.current_process().name))
process.start()
print(queue.get(), process.join(), process, mp.current_process().name)
# %%
print(mp.get_start_method(), mp.active_children(), mp.parent_process())
""",
    "multiprocessing-prints": """
import multiprocessing as mp
import time
import warnings
warnings.filterwarnings("ignore", category=DeprecationWarning)
process = mp.get_context("fork").Process(target=print, args=("from a child",), kwargs={"flush": True})
process.start()
process.join()
time.sleep(0.5)
""",
    "multiprocessing-shared": """
from multiprocessing import get_context, shared_memory
import numpy as np
import warnings
warnings.filterwarnings("ignore", category=DeprecationWarning)
memory = shared_memory.SharedMemory(create=True, size=80)
array = np.ndarray(10, dtype=np.int64, buffer=memory.buf)

def fill():
    array[:] = np.arange(10)

process = get_context("fork").Process(target=fill)
process.start()
process.join()
print(array.tolist(), process.exitcode)
del array
memory.close()
memory.unlink()
""",
    "fork-warned": """
import os
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
child = os.fork()
if child == 0:
    os._exit(7)
os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
""",
    "futures-threads": """
from concurrent.futures import ThreadPoolExecutor, as_completed
with ThreadPoolExecutor(3, thread_name_prefix="mine") as pool:
    print(list(pool.map(len, ["a", "bb", "ccc"])))
    futures = [pool.submit(pow, 2, number) for number in range(4)]
    print(sorted(future.result() for future in as_completed(futures)))
# %% raises-exception
with ThreadPoolExecutor() as pool:
    pool.submit(int, "x").result()
""",
    "futures-processes": """
import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import warnings
warnings.filterwarnings("ignore", category=DeprecationWarning)

def prime(number):
    return all(number % each for each in range(2, math.isqrt(number) + 1))

with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
    print(dict(zip(range(90, 100), pool.map(prime, range(90, 100)))))
# %% raises-exception
with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
    pool.submit(math.sqrt, -1).result()
""",
    "threads-print": """
import sys
import threading

def tell(number):
    print("thread", number, threading.current_thread().name, threading.current_thread().daemon)

for number in range(3):
    thread = threading.Thread(target=tell, args=(number,), name=f"t{number}", daemon=number == 1)
    thread.start()
    thread.join()
# %%
threading.excepthook = lambda args: print("hook", args.exc_type.__name__)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
# %%
print(threading.current_thread() is threading.main_thread(), threading.main_thread().name)
print(threading.stack_size(), sys.getswitchinterval(), threading.gettrace())
""",
    "threads-local": """
import queue
import threading
import numpy as np
own = threading.local()
own.value = "main"
results = queue.Queue()

def work(number):
    own.value = number
    results.put((own.value, int((np.arange(100) * number).sum())))

threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(own.value, sorted(results.queue))
# %%
lock, count = threading.Lock(), 0
def add():
    global count
    for _ in range(1000):
        with lock:
            count += 1
workers = [threading.Thread(target=add) for _ in range(4)]
[each.start() for each in workers]
[each.join() for each in workers]
count
""",
    "asyncio-await": """
import asyncio

async def later(number):
    await asyncio.sleep(number / 100)
    return number

async def counted():
    for number in range(3):
        yield await later(number)

await later(1)
# %%
print(await asyncio.gather(*(later(number) for number in (3, 1, 2))))
task = asyncio.create_task(later(5))
# %%
print(await task, task.done())
async with asyncio.timeout(5):
    print(await asyncio.wait_for(later(0), 1))
print([number async for number in counted()])
# %% raises-exception
asyncio.run(later(1))
""",
    "asyncio-subprocess": """
import asyncio
import sys
process = await asyncio.create_subprocess_exec(
    sys.executable, "-c", "import sys; print(sys.stdin.read().upper()); sys.exit(4)",
    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
)
print(await process.communicate(b"text"), process.returncode)
# %%
process = await asyncio.create_subprocess_shell("kill -TERM $$")
await process.wait()
""",
    "asyncio-loops": """
import asyncio
import threading
print(type(asyncio.get_running_loop()).__module__, asyncio.get_running_loop().get_debug())

def run():
    results.append(asyncio.run(asyncio.sleep(0, "in a thread")))

results = []
thread = threading.Thread(target=run)
thread.start()
thread.join()
print(results)
# %%
print(await asyncio.to_thread(sum, [1, 2]), await asyncio.get_running_loop().run_in_executor(None, len, "abc"))
""",
    "subprocess": """
import os
import subprocess
import sys
os.environ["OF_THE_NOTEBOOK"] = "given"
print(subprocess.check_output([sys.executable, "-c", "import os; print(os.environ['OF_THE_NOTEBOOK'])"], text=True))
print(subprocess.run("echo out; echo err >&2; exit 3", shell=True, capture_output=True, text=True))
# %%
first = subprocess.Popen(["printf", "b\\na\\n"], stdout=subprocess.PIPE)
print(subprocess.run(["sort"], stdin=first.stdout, capture_output=True).stdout, first.wait())
# %%
print(subprocess.run("ulimit -n; ulimit -s; trap", shell=True, capture_output=True, text=True).stdout)
# %% raises-exception
subprocess.run(["false"], check=True)
""",
    "subprocess-signals": """
import subprocess
print(subprocess.check_output(["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"], text=True))
print(subprocess.check_output("ls /proc/self/fd | wc -l", shell=True, text=True, close_fds=False).strip().isdigit())
print(subprocess.check_output("ls -l /proc/self/fd | wc -l", shell=True, text=True))
# %%
print(subprocess.call("kill -INT $$; echo not", shell=True), subprocess.call("kill -PIPE $$; echo not", shell=True))
""",
    "shell-magics": """
found = !echo one; echo two
print(found, found.n)
!echo "{len(found)} of $HOME_OF_NONE"
# %%
!exit 3
print(_exit_code)
%sx echo sx
# %%
%%bash
echo "in bash: $0"
printf '%s\\n' a b | tail -n 1
# %%
%%bash --out text
echo kept
# %%
print(repr(text))
# %%
%%python
import sys
print(len(sys.argv), sys.flags.interactive)
# %% raises-exception
%%bash
exit 5
""",
    # --- Numbers
    "random-numbers": """
import random
import uuid
random.seed(42)
print(random.random(), random.sample(range(100), 5), random.gauss(0, 1))
# %%
random.seed()
print(random.random() != random.random(), uuid.uuid4().version)
# %%
random.Random("text").choices("abc", k=5)
""",
    "numpy-random": """
import numpy as np
np.random.seed(1)
print(np.random.rand(2), np.random.permutation(5))
# %%
generator = np.random.default_rng(7)
print(generator.normal(size=3), generator.integers(10, size=5), generator.bit_generator)
# %%
print(np.random.default_rng().random() != np.random.default_rng().random(), np.random.SeedSequence(5).generate_state(2))
""",
    "numpy-matmul": """
import numpy as np
a = np.arange(250_000, dtype=np.float64).reshape(500, 500) % 17
product = a @ a.T
print(int(product.sum()), product.shape, int(np.trace(product)))
# %%
np.linalg.det(np.eye(5)), np.dot([1, 2], [3, 4]), np.einsum("ij,j", np.eye(2), [1, 2])
# %%
with np.printoptions(precision=2, suppress=True):
    print(np.linspace(0, 1, 4), np.float64(1) / 3)
np.array([1.0, 0.0]) / 0
# %% raises-exception
np.ones(2) @ np.ones(3)
""",
    "numpy-threads": """
import os
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
print([(each["internal_api"], each["num_threads"]) for each in threadpool_info()])
# %%
from concurrent.futures import ThreadPoolExecutor
a = np.ones((300, 300))
with ThreadPoolExecutor(2) as pool:
    print([float(each.sum()) for each in pool.map(np.dot, [a] * 4, [a] * 4)])
# %%
with threadpool_limits(1):
    print(float((a @ a).sum()))
""",
    "numpy-errors": """
import numpy as np
np.seterr(all="raise")
np.set_printoptions(precision=3, threshold=5)
print(np.arange(20) / 3, np.geterr())
# %% raises-exception
np.float64(1e308) * 10
""",
    "scipy-linalg": """
import numpy as np
from scipy import linalg, optimize, stats
a = np.array([[2.0, 1.0], [1.0, 3.0]])
print(linalg.solve(a, [3.0, 5.0]).round(10), linalg.eigvalsh(a).round(8), linalg.cholesky(a).round(8))
# %%
found = optimize.minimize(lambda x: (x[0] - 3) ** 2 + 1, [0.0])
print(found.x.round(4), found.success, round(stats.norm.cdf(1.96), 6))
""",
    "sklearn-linear": """
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
x = np.arange(20).reshape(-1, 1)
train, test = train_test_split(x, random_state=0)
model = LinearRegression().fit(train, 3 * train + 1)
print(test.ravel(), model.predict(test).ravel().round(6))
model
""",
    "sklearn-logistic": """
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.linear_model import LogisticRegression
x = np.arange(30).reshape(-1, 1)
train, test = train_test_split(x, random_state=1)
print(LogisticRegression().fit(train, train.ravel() > 14).predict(test), LinearRegression())
np.linalg.svd(np.arange(6.0).reshape(2, 3))[1].round(6)
""",
    "sklearn-forest": """
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
x, y = load_iris(return_X_y=True, as_frame=True)
forest = RandomForestClassifier(n_estimators=8, random_state=0, n_jobs=2)
print(cross_val_score(forest, x, y, cv=3, n_jobs=2).round(4))
# %%
make_pipeline(StandardScaler(), forest).fit(x, y)
# %% raises-exception
forest.predict(x.iloc[:, :2])
""",
    "joblib-loky": """
import os
from joblib import Parallel, delayed

def double(number):
    return 2 * number

print(Parallel(n_jobs=2)(delayed(double)(number) for number in range(5)))
print(len(set(Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(4))) & {os.getpid()}))
# %% raises-exception
Parallel(n_jobs=2)(delayed(int)(text) for text in ("1", "x"))
""",
    "joblib-threads": """
import tempfile
from joblib import Memory, Parallel, delayed, hash
print(Parallel(n_jobs=2, backend="threading")(delayed(abs)(number) for number in (-1, -2)))
memory = Memory(tempfile.mkdtemp(), verbose=0)

@memory.cache
def slow(number):
    calls.append(number)
    return number

calls = []
print(slow(1), slow(1), calls, hash([1, "a"]))
""",
    # --- The language
    "pickle": """
import copy
import pickle

class Point:
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return self.x == other.x
    def __repr__(self):
        return f"Point({self.x})"

data = pickle.dumps(Point(1), protocol=4)
print(data)
pickle.loads(data) == Point(1), copy.deepcopy([Point(2)])
# %% raises-exception
pickle.dumps(lambda: 0)
""",
    "dataclasses": """
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import NamedTuple

class Color(Enum):
    RED = 1

@dataclass(frozen=True, order=True)
class Row:
    name: str
    color: Color = Color.RED
    tags: list[str] = field(default_factory=list)

row = Row("a", tags=["x"])
print(row, asdict(row), replace(row, name="b") > row, Row.__module__, Row.__qualname__)
row, Color.RED
# %% raises-exception
row.name = "c"
""",
    "exceptions": """
import json

def parse(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError("cannot parse") from error
# %% raises-exception
parse("{")
# %% raises-exception
def (
# %% raises-exception
undefined_name
# %%
import sys
import traceback
try:
    parse("[")
except ValueError:
    traceback.print_exc(file=sys.stdout)
    print(len(traceback.extract_stack()))
""",
    "exception-group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "recursion": """
import sys
print(sys.getrecursionlimit())
def depth(n=0):
    try:
        return depth(n + 1)
    except RecursionError:
        return n
sys.setrecursionlimit(500)
print(depth())
# %% raises-exception
def down():
    down()
down()
""",
    "generators": """
import itertools

def count():
    got = yield 1
    yield got
    return "end"

made = count()
print(next(made), made.send("sent"), next(made, "default"), made)
def outer():
    print((yield from count()))
print(list(outer()), list(itertools.islice(itertools.count(), 3)))
made
""",
    "inspect": """
import inspect
import linecache

def documented(a: int, *, b: str = "x") -> None:
    '''What it does.'''
    return None

print(inspect.getsource(documented), inspect.signature(documented), inspect.getdoc(documented))
print(inspect.getsourcelines(documented)[1], inspect.getmodule(documented).__name__)
# %%
frame = inspect.currentframe()
print(frame.f_lineno, frame.f_code.co_name, [each.function for each in inspect.stack()][:3], len(inspect.stack()))
documented
# %%
documented?
# %%
help(documented)
""",
    "doctest": """
import doctest

def double(number):
    '''Double.

    >>> double(2)
    4
    >>> double(3)
    7
    '''
    return 2 * number

doctest.testmod()
""",
    "unittest": """
import unittest

class TestIt(unittest.TestCase):
    def test_good(self):
        self.assertEqual(1, 1)
    def test_bad(self):
        self.assertEqual(1, 2)

unittest.main(argv=["notebook"], exit=False, verbosity=2)
""",
    "contexts": """
import contextvars
import decimal
from decimal import Decimal
variable = contextvars.ContextVar("variable", default="default")
variable.set("set")
decimal.getcontext().prec = 5
print(Decimal(1) / 3, decimal.getcontext())
# %%
print(variable.get(), Decimal(1) / 7, contextvars.copy_context().run(variable.set, "inside"), variable.get())
print(sorted(each.name for each in contextvars.copy_context()))
with decimal.localcontext(prec=3):
    print(Decimal(2) / 3)
# %% raises-exception
Decimal(1) / 0
""",
    "datetimes": """
import datetime as dt
import time
import zoneinfo
berlin = zoneinfo.ZoneInfo("Europe/Berlin")
when = dt.datetime(2024, 3, 31, 1, 30, tzinfo=berlin)
print(when, when + dt.timedelta(hours=1), when.astimezone(dt.timezone.utc), time.tzname, time.timezone)
when.isoformat(), dt.datetime.fromtimestamp(0).hour, time.strftime("%A %B", time.gmtime(0))
""",
    "garbage": """
import gc
import weakref

class Node:
    pass

node = Node()
node.self = node
reference = weakref.ref(node, lambda _: print("finalized"))
del node
gc.collect()
print(reference(), gc.isenabled(), gc.get_threshold())
print(gc.garbage, gc.get_debug(), len(gc.callbacks))
# %%
kept = Node()
finalizer = weakref.finalize(kept, print, "gone")
print(finalizer.alive)
del kept
print(finalizer.alive)
""",
    "ctypes": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.abs(-3), libc.strlen(b"four"), ctypes.sizeof(ctypes.c_long))
print(libc.close(999), ctypes.get_errno())
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
def compare(a, b):
    return a[0] - b[0]
numbers = (ctypes.c_int * 3)(3, 1, 2)
libc.qsort(numbers, 3, ctypes.sizeof(ctypes.c_int), compare)
print(list(numbers))
""",
    "sqlite": """
import sqlite3
connection = sqlite3.connect("rows.db")
connection.execute("create table rows (name text, n integer)")
connection.executemany("insert into rows values (?, ?)", [("a", 1), ("b", 2)])
connection.commit()
print(connection.execute("select sum(n), group_concat(name) from rows").fetchone(), sqlite3.threadsafety)
connection.close()
# %%
import pandas as pd
with sqlite3.connect("rows.db") as connection:
    shown = pd.read_sql("select * from rows where n > ?", connection, params=[1])
shown
# %% raises-exception
sqlite3.connect(":memory:").execute("select * from nothing")
""",
    "locale": """
import locale
import sys
print(locale.getlocale(), locale.setlocale(locale.LC_ALL), sys.getdefaultencoding(), locale.getencoding())
# %%
for name in ("C", "C.UTF-8", ""):
    print(locale.setlocale(locale.LC_ALL, name), f"{1234.5:n}", locale.strcoll("a", "B") > 0)
# %% raises-exception
locale.setlocale(locale.LC_ALL, "xx_XX")
""",
    # --- Magics
    "magics": """
%pwd
# %%
%env ADDED=by magic
# %%
import os
print(os.environ["ADDED"], os.path.basename(os.getcwd()))
%env ADDED
# %%
x, name = 1, "text"
%who
# %%
%whos
# %%
%history
# %%
%cd ..
# %%
%lsmagic
# %%
print(len(In), Out.keys(), _i, get_ipython().execution_count)
# %%
%unknown
""",
    "magics-cells": """
%%capture captured --no-stderr
print("kept")
display("shown")
# %%
captured.show()
print(captured.outputs)
# %%
%%writefile written.txt
first
second
# %%
%%writefile -a written.txt
third
# %%
print(open("written.txt").read())
%alias_magic w writefile
# %%
%%html
<b>bold</b>
# %%
%precision 3
3.14159
# %%
%xmode Plain
# %% raises-exception
1 / 0
# %%
%pdb
""",
    "magics-own": """
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, register_line_magic

@register_line_magic
def shout(line):
    return line.upper()

@magics_class
class Mine(Magics):
    @cell_magic
    def repeat(self, line, cell):
        for _ in range(int(line)):
            self.shell.run_cell(cell)

get_ipython().register_magics(Mine)
# %%
%shout loud
# %%
%%repeat 2
print("again")
"and again"
""",
    "shell-object": """
shell = get_ipython()
result = shell.run_cell("print('nested'); 6 * 7", store_history=True)
print(result.success, result.result, shell.user_ns["__name__"], shell.colors)
# %% raises-exception
print(shell.run_cell("1 / 0").error_in_exec.__class__.__name__)
# %%
shell.events.register("post_run_cell", lambda result: print("after", result.execution_count))
# %%
shell.ast_node_interactivity = "all"
"first"
"second"
# %%
_, __, _oh
""",
    "custom-exceptions": """
import sys

def handle(shell, kind, value, tb, tb_offset=None):
    print("handled", kind.__name__, value)

get_ipython().set_custom_exc((ZeroDivisionError,), handle)
# %%
print(sys.excepthook, sys.displayhook.__class__.__name__, sys.unraisablehook, sys.breakpointhook)
sys.excepthook = lambda *args: print("never")
# %% raises-exception
int("x")
# %%
1 / 0
""",
    # --- What is shown
    "display": """
from IPython.display import JSON, HTML, Image, Latex, Markdown, SVG, Javascript, Math
import base64
pixel = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
display(HTML("<b>bold</b>"), Markdown("# Head"), JSON({"a": [1]}), Latex("$x^2$"), Math("y"), metadata={"mine": 1})
Image(data=pixel, width=5)
# %%
display({"text/plain": "raw", "application/x-own+json": {"a": 1}}, raw=True)
SVG("<svg xmlns='http://www.w3.org/2000/svg'/>")
# %%
Javascript("1")
# %%
{"b": [1, {2}], "a": (None, ...)}, range(3), b"bytes", "text"
""",
    "display-update": """
from IPython.display import clear_output, display, update_display
handle = display("first", display_id="mine")
display("other", display_id=True)
# %%
handle.update("second")
update_display({"text/plain": "third", "text/html": "<i>third</i>"}, display_id="mine", raw=True)
# %%
print("lost")
clear_output()
print("kept")
display("waits")
clear_output(wait=True)
print("replaced")
""",
    "display-own": """
class Html:
    def _repr_html_(self):
        return "<b>own</b>"

class Bundle:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "plain", "text/markdown": "*own*"}, {"text/markdown": {"mine": True}}

class Pretty:
    def _repr_pretty_(self, printer, cycle):
        printer.text("Pretty(...)")

display(Html(), Bundle(), Pretty())
Html()
# %% raises-exception
class Bad:
    def _repr_html_(self):
        raise RuntimeError("cannot")
Bad()
# %%
class Shows:
    def _ipython_display_(self):
        print("shows itself")
Shows()
# %%
plain = get_ipython().display_formatter.formatters["text/plain"]
plain.for_type(int, lambda value, printer, cycle: printer.text(f"int {value}"))
5
""",
    "streams": """
import sys
for number in range(3):
    print("out", number, flush=True)
    print("err", number, file=sys.stderr, flush=True)
# %%
print("before", end="")
display("between")
sys.stdout.write("after\\n")
# %%
print("\\x1b[31mred\\x1b[0m", "a\\rb", "\\u00e9\\u4e2d\\U0001f600", "\\ud800".encode("utf-8", "backslashreplace"))
print(sys.stdout.encoding, sys.stdout.isatty(), sys.stdin.__class__.__name__, sys.__stdout__ is sys.stdout)
""",
    "redirected": """
import contextlib
import io
import sys
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
    print("hidden")
    print("error", file=sys.stderr)
print(repr(out.getvalue()), repr(err.getvalue()))
# %%
sys.stdout, kept = io.StringIO(), sys.stdout
print("lost")
sys.stdout, lost = kept, sys.stdout
print(lost.getvalue())
""",
    "descriptors": """
import os
import time
os.write(1, b"by descriptor 1\\n")
time.sleep(0.5)
# %%
os.write(2, b"by descriptor 2\\n")
time.sleep(0.5)
# %%
os.system("echo of a shell")
time.sleep(0.5)
# %%
os.readlink("/proc/self/fd/0").partition(":")[0], os.isatty(1), os.read(0, 1)
""",
    "tqdm": """
import io
import os
os.environ["TQDM_DISABLE"] = "1"
from tqdm import tqdm
from tqdm.auto import trange
print(sum(tqdm(range(10))), sum(trange(10, disable=True)), trange.__module__)
# %%
from tqdm import tqdm as plain
text = io.StringIO()
bar = plain(range(3), file=text, disable=False, bar_format="{n_fmt}/{total_fmt}", mininterval=0)
for _ in bar:
    pass
print(repr(text.getvalue()[-5:]))
""",
    # --- Ends, signals, files
    "input": "import getpass\n# %% raises-exception\ngetpass.getpass()\n# %%\ninput('Name? ')",
    "exit": "import sys\nprint('ends')\n# %%\nsys.exit()",
    "exit-code": "import sys\nprint('ends')\n# %%\nsys.exit(3)",
    "error": "import pandas as pd\ndef fail():\n    return pd.DataFrame({'a': [1]})['b']\n# %%\nprint(1)\nfail()",
    "assertion": "import numpy as np\n# %%\nassert np.allclose([1.0], [1.1]), 'not close'\n# %%\nprint('never')",
    "system-exit-in-thread": """
import sys
import threading
thread = threading.Thread(target=sys.exit)
thread.start()
thread.join()
print("still here", thread.is_alive())
""",
    "atexit": """
import atexit
import os
import subprocess
import sys
atexit.register(print, "at exit")
print(subprocess.check_output([sys.executable, "-c", "import atexit; atexit.register(print, 'of a child')"], text=True))
# %%
atexit.unregister(print)
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)[1]
""",
    "signals": """
import os
import signal
signal.signal(signal.SIGUSR1, lambda number, frame: print("got", signal.Signals(number).name))
os.kill(os.getpid(), signal.SIGUSR1)
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGPIPE))
# %% raises-exception
os.kill(os.getpid(), signal.SIGINT)
""",
    "alarm": """
import signal
import time

def alarm(number, frame):
    raise TimeoutError("too slow")

signal.signal(signal.SIGALRM, alarm)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    time.sleep(5)
except TimeoutError as error:
    print(error)
# %% raises-exception
signal.alarm(1)
signal.setitimer(signal.ITIMER_REAL, 0.05)
while True:
    pass
""",
    "files": """
import os
import tempfile
from pathlib import Path
print(tempfile.mkdtemp(), tempfile.gettempdir(), Path.home())
Path("relative.txt").write_text("text")
print(Path("relative.txt").resolve(), oct(Path("relative.txt").stat().st_mode), Path.cwd().name)
# %%
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("x")
    file.seek(0)
    print(file.read())
# %% raises-exception
open("missing.txt")
""",
    "identity": """
import sys
print(__name__, "__file__" in globals(), len(sys.argv[1:]), __builtins__.__name__, __doc__)
print(sys.modules["__main__"].__name__, sys.modules["__main__"].__dict__ is globals(), sys.argv[0])
print(sys.path, sys.flags, sys.dont_write_bytecode, sys.orig_argv[:-1])
# %%
import builtins
print([name for name in dir(builtins) if name not in ("WindowsError",)][-12:], sorted(globals())[:20])
# %%
import platform, getpass, socket
print(platform.python_implementation(), sys.executable, sys.prefix, sys.flags.hash_randomization)
""",
    "faulthandler": """
import faulthandler
import tempfile
import tracemalloc
print(faulthandler.is_enabled())
with tempfile.TemporaryFile("w+") as file:
    faulthandler.dump_traceback(file, all_threads=False)
    file.seek(0)
    print([line.split()[1].rpartition("/")[2] for line in file if "site-packages" in line])
# %%
print(tracemalloc.is_tracing())
tracemalloc.start()
kept = [bytes(1000) for _ in range(1000)]
print(tracemalloc.get_traced_memory()[0] > 10**6)
tracemalloc.stop()
""",
    "tracing": """
import cProfile
import pstats
import sys
calls = []
def traced(n):
    return n + 1
def trace(frame, event, arg):
    if frame.f_code is traced.__code__:
        calls.append((frame.f_code.co_name, event))
sys.settrace(trace)
traced(1)
sys.settrace(None)
print(calls, sys.gettrace(), sys.getprofile())
# %%
profile = cProfile.Profile()
profile.runcall(traced, 1)
print(sorted(name for _, _, name in pstats.Stats(profile).stats))
""",
    "imports": """
import importlib
import sys
for name in ("missing_module", "os.missing"):
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(type(error).__name__, error)
# %%
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "invented":
            return importlib.machinery.ModuleSpec(name, importlib.machinery.BuiltinImporter)
sys.meta_path.insert(0, Finder)
print(importlib.util.find_spec("invented").name, importlib.util.find_spec("numpy") is not None)
# %%
import __main__
print(__main__.Finder is Finder, __spec__)
""",
    "optional": """
import sys
sys.modules["scipy"] = None
try:
    import scipy
except ImportError as error:
    print("without it:", error)
import numpy as np
print(np.arange(3))
""",
    "patched": """
import builtins
opened = []
original = builtins.open
builtins.open = lambda *args, **kwargs: opened.append(args[0]) or original(*args, **kwargs)
import pandas as pd
pd.DataFrame({"a": [1]}).to_csv("patched.csv")
builtins.open = original
print(any("patched" in str(name) for name in opened), pd.read_csv("patched.csv").shape)
""",
    "limits": """
import os
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_STACK), os.nice(0))
print(len(os.sched_getaffinity(0)) == os.cpu_count(), os.umask(0o22), os.getpgid(0) == os.getpid() == os.getsid(0))
""",
}

# Notebooks with something beside them: the files of their folder.
FOLDERS = {
    "module-beside": {
        "settings_of_mine.py": "print('imported')\nNAME = 'beside'\n",
        "package/__init__.py": "from . import part\n",
        "package/part.py": "def where():\n    return __name__, __package__\n",
        "notebook": """
import settings_of_mine
from package.part import where
print(settings_of_mine.NAME, where(), settings_of_mine.__name__, settings_of_mine.__file__)
""",
    },
    "module-reloaded": {
        "changing.py": "value = 1\n",
        "notebook": """
import importlib
import os
import changing
from pathlib import Path
print(changing.value)
Path("changing.py").write_text("value = 'changed'\\n")
importlib.reload(changing)
print(changing.value)
# %%
%load_ext autoreload
%autoreload 2
Path("changing.py").write_text("value = 'changed once more'\\n")
os.utime("changing.py", (2e9, 2e9))
# %%
print(changing.value)
""",
    },
    "module-shadows": {
        "wave.py": "raise ImportError('IPython puts the standard library before the folder')\n",
        "jinja2.py": "NAME = 'mine'\n",
        "notebook": """
import sys
import wave
import pandas as pd
import jinja2
print(jinja2.NAME, wave.WAVE_FORMAT_PCM, sys.path.index("") > 0)
# %% raises-exception
pd.DataFrame({"a": [1]}).style
""",
    },
    "module-elsewhere": {
        "lib/tools_of_mine.py": "import numpy as np\n\ndef total(n):\n    return int(np.arange(n).sum())\n",
        "notebook": """
import sys
sys.path.insert(0, "lib")
import numpy as np
import tools_of_mine
print(tools_of_mine.total(5), sys.path[0], tools_of_mine.np is np)
""",
    },
    "module-with-a-pool": {
        "pool.py": (
            "import threading\nfrom concurrent.futures import ThreadPoolExecutor\n\nPOOL = ThreadPoolExecutor(2)\n"
            "LOCK = threading.Lock()\nPOOL.submit(len, '').result()\n\ndef run(numbers):\n"
            "    with LOCK:\n        return list(POOL.map(lambda n: n * n, numbers))\n"
        ),
        "notebook": """
import numpy as np
import pool
print(pool.run(range(4)), sorted(thread.name for thread in pool.POOL._threads))
# %%
print([int(each.sum()) for each in pool.POOL.map(np.ones, [10, 20])])
""",
    },
    "processes-spawned": {
        "notebook": """
%%writefile workers_of_mine.py
import os
import sys

def cube(number):
    return number**3

def about():
    return sys.argv[1:], os.path.basename(os.getcwd()), "ipykernel" in sys.modules
# %%
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor
import workers_of_mine
with mp.get_context("spawn").Pool(2) as pool:
    print(pool.map(workers_of_mine.cube, range(4)), pool.apply(workers_of_mine.about))
# %%
with ProcessPoolExecutor(1, mp_context=mp.get_context("forkserver")) as pool:
    print(pool.submit(workers_of_mine.cube, 5).result(), mp.get_all_start_methods())
""",
    },
    "scripts-run": {
        "script.py": "import sys\nprint(__name__, sys.argv, 'shared' in globals())\nmade = len(sys.argv)\n",
        "broken.py": "def fail():\n    raise KeyError('of the script')\n\nfail()\n",
        "notebook": """
shared = 1
%run script.py a b
print(made)
# %%
%run -i script.py
# %% raises-exception
%run broken.py
# %%
import runpy
print(runpy.run_path("script.py")["made"])
%load script.py
""",
    },
    "matplotlibrc": {
        "matplotlibrc": "figure.figsize: 2, 1\nlines.linewidth: 5\naxes.facecolor: yellow\n",
        "notebook": """
import matplotlib
import matplotlib.pyplot as plt
print(matplotlib.matplotlib_fname(), plt.rcParams["lines.linewidth"])
plt.plot([1, 2, 1])
""",
    },
    "data-beside": {
        "data.csv": "name,n\na,1\nb,2\n",
        "notebook": """
import pandas as pd
import numpy as np
frame = pd.read_csv("data.csv")
np.save("numbers.npy", frame["n"].to_numpy())
print(np.load("numbers.npy"), frame.shape)
frame.to_html("table.html")
frame
""",
    },
}

# What fails, and of what.
FAILING = {
    "plain/input": "StdinNotImplementedError",
    "plain/exit-code": "SystemExit",
    "plain/error": "KeyError",
    "plain/exception-group": "ExceptionGroup",
    "plain/magics": "UsageError",
    "plain/custom-exceptions": "ZeroDivisionError",
    "plain/assertion": "AssertionError",
}


def cells(text: str) -> list[Cell]:
    """Return the cells of a notebook."""
    parts = _CELL.split("# %%\n" + text.lstrip("\n"))[1:]
    return [code(source.rstrip("\n"), *tags.split()) for tags, source in zip(parts[::2], parts[1::2], strict=True)]


# Paths of notebooks, without their suffix.
CORPUS = {
    **{f"plain/{name}": cells(text) for name, text in PLAIN.items()},
    **{f"{folder}/notebook": cells(files["notebook"]) for folder, files in FOLDERS.items()},
}
FILES = {
    f"{folder}/{name}": text for folder, files in FOLDERS.items() for name, text in files.items() if name != "notebook"
}
