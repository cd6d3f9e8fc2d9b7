"""dvc-pull on full disks, without rights, and with files in its way."""

from integration.dvc_pull.conditions import POINTER
from integration.dvc_pull.repositories import RAW, Checkout, expect, md5, pull, site
from integration.suite import NO_ROOT, Done, private_mount

BIG = "x" * 3_000_000


def with_big_file(checkout: Checkout, mounted: str) -> Done:
    """Pull a file that is bigger than the disk which one folder is."""
    path = checkout.object(BIG)
    path.parent.mkdir(exist_ok=True)
    path.write_text(BIG)
    checkout.workspace.write("big.dvc", f"outs:\n- md5: {md5(BIG.encode())}\n  hash: md5\n  path: out/big\n")
    (checkout.folder / mounted).mkdir()
    prefix = private_mount('mount -t tmpfs -o size=1m tmpfs "$D"')
    environ = {"D": str(checkout.folder / mounted), **site(checkout.workspace)}
    return checkout.workspace.run("dvc-pull", {"targets": "big.dvc"}, environ=environ, prefix=prefix)


def test_a_full_disk_of_the_cache(checkout: Checkout) -> None:
    message = expect(with_big_file(checkout, ".dvc/cache"), 3)[0][2]
    assert message == "The disk is full. Free some space, or pull less with `targets`."


def test_a_full_disk_of_the_workspace(checkout: Checkout) -> None:
    message = expect(with_big_file(checkout, "out"), 3)[0][2]
    assert message.startswith(
        "DVC could not write `out/big`. Check the permissions of the file and its folder, and the"
    )


def test_a_cache_that_is_a_file(checkout: Checkout) -> None:
    checkout.cache.write_text("in the way\n")
    message = expect(pull(checkout, targets=POINTER), 3)[0][2]
    assert message.startswith(f"{checkout.cache} cannot be read or written: ")


def test_a_cache_that_may_not_be_written(checkout: Checkout) -> None:
    folder = checkout.object(RAW, checkout.cache).parent
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    done = checkout.workspace.run("dvc-pull", {"targets": POINTER}, environ=site(checkout.workspace), prefix=NO_ROOT)
    message = expect(done, 3)[0][2]
    assert " cannot be read or written: Permission denied. Check the permissions of the file and" in message


def test_an_object_that_may_not_be_read(checkout: Checkout) -> None:
    checkout.object(RAW).chmod(0)
    done = checkout.workspace.run("dvc-pull", {"targets": POINTER}, environ=site(checkout.workspace), prefix=NO_ROOT)
    assert "/store) denied access." in expect(done, 3)[0][2]


def test_a_broken_link_in_place_of_the_data(checkout: Checkout) -> None:
    (checkout.folder / "data" / "raw.csv").symlink_to("nowhere")
    done = pull(checkout, targets=POINTER)
    assert done.code == 0, done.log
    assert (checkout.folder / "data" / "raw.csv").read_text() == RAW


def test_a_file_in_the_way_of_a_folder(checkout: Checkout) -> None:
    (checkout.folder / "data" / "images").write_text("in the way\n")
    errors = expect(pull(checkout, targets="data/images.dvc"), 1)
    assert errors[0][2].startswith("Changed in the workspace and not saved: `data/images`. Nothing was overwritten.")
    assert (checkout.folder / "data" / "images").read_text() == "in the way\n"
