"""Which builder is chosen, and which lines of docker's are shown while all goes well: as 20.10 and 28.2 wrote them."""

import pytest

from notebook_ci.build_image import engine
from notebook_ci.build_image.engine import needs_buildkit_variable

NOISE = """
#5 sha256:bc261ad24d52edc0e06623296f673c797be965112e118fdadd78a44654b226b0
#5 DONE 2.2s
#4 CACHED
#1 [internal] load build definition from Dockerfile
#6 transferring context: 208B 0.0s done
#10 exporting layers 0.2s done
#10 writing image sha256:f6702d492c7a4c927495ceb81ca2bc2ebc9355b84433969ce3e9a8267a4d3876 0.0s done
#10 naming to docker.io/library/x 0.0s done
#5 ...
#9 12.31  + ipykernel==6.29.5
 + ipykernel==6.29.5
 ---> Running in 5165c1f21457
Removing intermediate container 5165c1f21457
5165c1f21457: Waiting
""".splitlines()
SHOWN = """
#5 [a 2/3] RUN echo hello && sleep 0.2
#5 1.462 hello
#5 1.462 DONE and CACHED
#5 ERROR: executor failed running [/bin/sh -c false]: exit code: 1
#9 12.31 Installed 31 packages in 1.2s
#9 [internal 2/3] RUN a stage of the user's
Step 2/6 : RUN echo hello
hello
1.0: digest: sha256:e8c613e07b0b7ff33893b694f7759a10d42e180f2b4dc349fb57dc6b71dcab00 size: 528
Successfully built 930a8921103a
The command '/bin/sh -c false' returned a non-zero code: 1
""".strip().splitlines()


@pytest.mark.parametrize("line", NOISE)
def test_noise(line: str) -> None:
    assert engine.NOISE.fullmatch(line)


@pytest.mark.parametrize("line", SHOWN)
def test_what_is_shown(line: str) -> None:
    assert not engine.NOISE.fullmatch(line)


@pytest.mark.parametrize(
    ("client", "needs"),
    [("20.10.24+dfsg1", True), ("22.06.0-beta", True), ("23.0.1", False), ("28.2.2", False), ("", False)],
)
def test_an_old_client_needs_the_variable_for_buildkit(client: str, *, needs: bool) -> None:
    assert needs_buildkit_variable(client) == needs
