"""How messages of a kernel are waited for: none is lost, and no CPU is kept busy that another one needs."""

import re

import pytest

from integration.suite import Workspace, in_the_tool_environment

# Two sockets, one of them in a channel, and coroutines: each is a case.
SCRIPT = """
import asyncio, time
from queue import Empty
from tempfile import TemporaryDirectory
import zmq, zmq.asyncio
from jupyter_client.session import Session
from notebook_ci.execute_notebook import kernel_client

session = Session(key=b"key")
other = zmq.Context().socket(zmq.PAIR)

def say(number):
    session.send(other, "told", {"number": number})

def come():
    while not channel._plain.get(zmq.EVENTS) & zmq.POLLIN:
        time.sleep(0.001)

async def heard(timeout=None):
    return (await channel.get_msg(timeout))["content"]["number"]

async def waiting():
    task = asyncio.ensure_future(heard())
    await asyncio.sleep(0.05)
    return task

async def one_that_is_there():
    say(1)
    come()
    assert await heard() == 1

async def one_that_comes():
    asyncio.get_running_loop().call_later(0.1, say, 1)
    assert await heard() == 1

async def many():
    for number in range(500):
        say(number)
    assert [await heard() for _ in range(500)] == list(range(500))

async def none():
    try:
        await heard(timeout=0.05)
    except Empty:
        say(1)
    assert await heard(timeout=5) == 1

async def one_that_comes_when_the_time_is_over():
    asyncio.get_running_loop().call_soon(lambda: (say(1), time.sleep(0.2), come()))
    assert await heard(timeout=0.1) == 1

async def one_that_comes_before_another_is_sent():
    # Sending takes note of what has come, and the descriptor need not tell of it any more.
    task = await waiting()
    say(1)
    come()
    channel.send(session.msg("asked"))
    assert channel._waiting.done()
    assert await task == 1

async def one_that_nobody_waits_for_any_more():
    task = await waiting()
    task.cancel()
    say(1)
    async with asyncio.timeout(5):  # or it would be told without end
        while channel._loop:
            await asyncio.sleep(0.001)
    assert await heard(timeout=5) == 1

async def one_that_comes_when_a_waiter_has_just_left():
    task = await waiting()
    say(1)
    come()
    channel._look()
    task.cancel()
    assert await heard(timeout=5) == 1

async def one_for_another_waiter():
    task = await waiting()
    task.cancel()
    asyncio.get_running_loop().call_later(0.1, say, 1)
    assert await heard(timeout=5) == 1

async def one_that_comes_where_no_descriptor_is_watched():
    kernel_client.POSIX = False
    asyncio.get_running_loop().call_later(0.1, say, 1)
    assert await heard(timeout=5) == 1
    assert not channel._loop

async def one_that_is_watched_for():
    channel.state.has_free_cpu, kernel_client.WATCH_SECONDS = True, 5
    task = asyncio.ensure_future(heard())
    await asyncio.sleep(0)
    say(1)
    assert await task == 1
    assert not channel._loop

async def one_that_is_long_in_coming():
    asked = []
    class State:
        @property
        def has_free_cpu(self):
            return not asked.append(1)
    channel.state = State()
    task = await waiting()
    assert asked
    assert channel._loop
    count = len(asked)
    say(1)
    assert await task == 1
    assert len(asked) == count

async def none_of_a_closed_channel():
    task = await waiting()
    loop, descriptor = channel._loop, channel._plain.fileno()
    channel.close()
    assert not loop.remove_reader(descriptor), "another socket may get this descriptor"
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()

with TemporaryDirectory() as folder:
    address = f"ipc://{folder}/socket"
    other.bind(address)
    socket = zmq.asyncio.Context().socket(zmq.PAIR)
    socket.connect(address)
    channel = kernel_client._Channel(socket, session)
    asyncio.run(CASE())
    channel.close()
    other.close()
"""


@pytest.mark.parametrize("case", re.findall(r"async def ((?:one|many|none)\w*)\(", SCRIPT))
def test_messages(workspace: Workspace, case: str) -> None:
    done = in_the_tool_environment(workspace, SCRIPT.replace("CASE", case))
    assert (done.returncode, done.stderr) == (0, "")
