import threading
from concurrent.futures import ThreadPoolExecutor

POOL = ThreadPoolExecutor(2)
LOCK = threading.Lock()
POOL.submit(len, '').result()

def run(numbers):
    with LOCK:
        return list(POOL.map(lambda n: n * n, numbers))
