"""Where files are kept: the same promises for a folder and for a store that speaks S3."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from knopka.domain.errors import InvalidInput, NotFound, Unavailable
from knopka.files import FileStore, make_name, open_files
from knopka.files.folder import FolderStore
from knopka.files.s3 import S3Address, S3Store, sign
from knopka.files.store import PART
from knopka.outgoing import make_client
from tests.files.bucket import Bucket
from tests.files.server import listening

pytestmark = pytest.mark.anyio
DATA = bytes(range(256)) * 1000
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
async def s3(bucket: Bucket) -> AsyncIterator[S3Store]:
    async with listening(bucket) as server:
        text = (
            f"s3://AKIDTEST:a%2Fb%2Bc%3D%3Dd@127.0.0.1:{server.port}/media/shop-1?region=eu-west-7&insecure=1"
        )
        address = S3Address.parse(text)
        store = S3Store(address, make_client((), also=address.endpoint), lambda: NOW)
        yield store
        await store.close()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "new" / "files")
    kept: FileStore = request.getfixturevalue("s3")
    return kept


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


async def read(store: FileStore, name: str) -> tuple[int, str, bytes]:
    size, mime, parts = await store.open(name)
    return size, mime, b"".join([part async for part in parts(0, size)])


@pytest.mark.parametrize("mime", ["image/png", "application/vnd.ms-excel", "audio/mp4"])
async def test_what_was_put_comes_back(store: FileStore, source: Path, mime: str) -> None:
    name = make_name()
    await store.put(name, source, mime)
    assert await read(store, name) == (len(DATA), mime, DATA)


async def test_an_empty_file_is_a_file(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    name = make_name()
    await store.put(name, tmp_path / "empty", "text/plain")
    assert await read(store, name) == (0, "text/plain", b"")


async def test_what_was_deleted_is_not_found_and_may_be_deleted_again(store: FileStore, source: Path) -> None:
    name, other = make_name(), make_name()
    await store.put(name, source, "image/png")
    await store.put(other, source, "image/png")
    await store.delete(name)
    await store.delete(name)
    with pytest.raises(NotFound):
        await store.open(name)
    assert (await store.open(other)).size == 256_000


async def test_a_file_that_goes_before_it_is_read_is_not_found(store: FileStore, source: Path) -> None:
    name = make_name()
    await store.put(name, source, "image/png")
    opened = await store.open(name)
    await store.delete(name)
    with pytest.raises(NotFound):
        await anext(opened.read(0, opened.size))


@pytest.mark.parametrize(
    ("first", "length"), [(0, 1), (0, 70_000), (255_999, 1), (100_000, 156_000), (65_535, 2), (0, 256_000)]
)
async def test_a_piece_of_a_file_is_had_without_the_rest(
    store: FileStore, source: Path, first: int, length: int
) -> None:
    name = make_name()
    await store.put(name, source, "audio/ogg")
    parts = [part async for part in (await store.open(name)).read(first, length)]
    assert b"".join(parts) == DATA[first : first + length]
    assert max(map(len, parts)) <= PART


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "a" * 31, "a" * 33, "A" * 32, "*" * 32, "é" * 32]
)
async def test_S_IN_12_a_name_that_is_not_ours_is_not_found(
    store: FileStore, source: Path, name: str
) -> None:
    with pytest.raises(NotFound):
        await store.open(name)
    with pytest.raises(NotFound):
        await store.put(name, source, "image/png")
    await store.delete(name)


async def test_a_strange_type_is_kept_as_a_download(store: FileStore, source: Path) -> None:
    name = make_name()
    await store.put(name, source, "text/html\r\nx: y")
    assert (await store.open(name)).mime == "application/octet-stream"


async def test_a_store_that_works_has_nothing_to_tell(store: FileStore) -> None:
    assert await store.check() is None


def test_S_IN_12_names_cannot_be_guessed() -> None:
    names = {make_name() for _ in range(1000)}
    assert len(names) == 1000
    assert {len(name) for name in names} == {32}


# --- A folder


async def test_a_folder_has_two_levels_and_is_for_its_owner_alone(tmp_path: Path, source: Path) -> None:
    store = FolderStore(tmp_path / "files")
    name = make_name()
    await store.put(name, source, "image/png")
    path = tmp_path / "files" / name[:2] / name[2:4] / f"{name}.image~png"
    assert path.read_bytes() == DATA
    assert [found.stat().st_mode & 0o077 for found in (path, *path.parents[:3])] == [0, 0, 0, 0]
    assert list(path.parent.iterdir()) == [path]


async def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    name = make_name()
    folder = tmp_path / name[:2] / name[2:4]
    folder.mkdir(parents=True)
    (folder / f"{name}.part").write_bytes(b"half")
    with pytest.raises(NotFound):
        await store.open(name)


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, source: Path) -> None:
    (tmp_path / "files").write_text("a file stands in the way")
    store = FolderStore(tmp_path / "files")
    with pytest.raises(Unavailable):
        await store.put(make_name(), source, "image/png")
    assert await store.check() == "The folder of files fails: Not a directory."


# --- S3

VECTORS = S3Address(
    endpoint="https://examplebucket.s3.amazonaws.com",
    path="",
    region="us-east-1",
    key="AKIAIOSFODNN7EXAMPLE",
    secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)
MAY = datetime(2013, 5, 24, tzinfo=UTC)


def test_the_signatures_are_those_of_the_published_examples() -> None:
    """Amazon S3 API Reference, "Examples: Signature Calculations": GET object, PUT object."""
    get = sign(VECTORS, "GET", "/test.txt", {"range": "bytes=0-9"}, hashlib.sha256().hexdigest(), MAY)
    assert get["authorization"].partition("Signature=")[2] == (
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    headers = {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    digest = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
    put = sign(VECTORS, "PUT", "/test$file.text", headers, digest, MAY)
    assert put["authorization"].partition("Signature=")[2] == (
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )


async def test_a_file_is_an_object_of_the_bucket(s3: S3Store, bucket: Bucket, source: Path) -> None:
    name = make_name()
    await s3.put(name, source, "image/png")
    assert bucket.objects == {f"/media/shop-1/{name[:2]}/{name[2:4]}/{name}": (DATA, "image/png")}
    assert len(bucket.asked) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"secret": "another"}, "SignatureDoesNotMatch"),
        ({"key": "ANOTHER"}, "InvalidAccessKeyId"),
        ({"region": "eu-west-8"}, "SignatureDoesNotMatch"),
        ({"path": "/other"}, "NoSuchBucket"),
        ({"fault": (503, "SlowDown")}, "SlowDown"),
        ({"fault": (307, "TemporaryRedirect")}, "TemporaryRedirect"),
    ],
)
async def test_a_store_that_refuses_is_told_in_its_own_word(
    s3: S3Store, bucket: Bucket, source: Path, changed: dict[str, object], code: str
) -> None:
    for name, value in changed.items():
        setattr(bucket, name, value)
    with pytest.raises(Unavailable, match=code) as refused:
        await s3.put(make_name(), source, "image/png")
    told = await s3.check()
    assert told is not None
    assert code in told
    assert "a/b+c" not in told + str(refused.value)


async def test_of_an_object_no_more_is_fetched_than_was_asked_for(
    s3: S3Store, bucket: Bucket, source: Path
) -> None:
    name = make_name()
    await s3.put(name, source, "audio/ogg")
    opened = await s3.open(name)
    bucket.sent = 0
    assert b"".join([part async for part in opened.read(1000, 5)]) == DATA[1000:1005]
    assert bucket.sent == 5


async def test_a_clock_that_is_wrong_is_told(s3: S3Store, bucket: Bucket) -> None:
    bucket.now += timedelta(hours=1)
    assert await s3.check() == "The S3 store refuses (403 RequestTimeTooSkewed)."


async def test_a_store_that_is_away_is_told_without_its_address() -> None:
    async with listening() as server:
        pass
    address = S3Address.parse(f"s3://KEY:SECRET@127.0.0.1:{server.port}/bucket?insecure=1")
    store = S3Store(address, make_client((), also=address.endpoint), lambda: MAY)
    assert await store.check() == "The S3 store gave no answer (ConnectError)."
    await store.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (
            "s3://KEY:SECRET@s3.example.com/bucket",
            S3Address("https://s3.example.com", "/bucket", "us-east-1", "KEY", "SECRET"),
        ),
        (
            "s3://K%2FY:S%2BC%2F%40%3A@S3.example.com:9000/b.u-c_ket/a/b/?region=ru-1&insecure=1",
            S3Address("http://s3.example.com:9000", "/b.u-c_ket/a/b", "ru-1", "K/Y", "S+C/@:"),
        ),
        (
            "s3://KEY:SECRET@s3.example.com/bucket?insecure=0",
            S3Address("https://s3.example.com", "/bucket", "us-east-1", "KEY", "SECRET"),
        ),
    ],
)
def test_the_address_of_a_bucket_is_read(text: str, address: S3Address) -> None:
    assert S3Address.parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "s3://s3.example.com/bucket",
        "s3://KEY@s3.example.com/bucket",
        "s3://KEY:TOPSECRET@s3.example.com",
        "s3://KEY:TOPSECRET@s3.example.com/",
        "s3://KEY:TOP/SECRET@s3.example.com/bucket",
        "s3://KEY:TOPSECRET@s3.example.com/bucket/../other",
        "s3://KEY:TOPSECRET@s3.example.com/bucket?zone=1",
        "s3://KEY:TOPSECRET@s3.example.com:port/bucket",
        "s3://KEY:TOPSECRET@s3.example.com:99999/bucket",
        "s3://KEY:TOPSECRET@s3.example.com/bucket#x",
        "s3:KEY:TOPSECRET",
    ],
)
def test_S_SEC_05_an_address_that_cannot_be_read_is_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        S3Address.parse(text)
    assert "TOP" not in str(refused.value)


def test_S_SEC_05_the_secret_is_not_shown_with_its_address() -> None:
    assert "SECRET" not in repr(S3Address.parse("s3://KEY:SECRET@s3.example.com/bucket"))


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("s3://K:S@s3.example.com/b", "s3.example.com"),
        ("s3://K:S@s3.example.com:443/b", "s3.example.com"),
        ("s3://K:S@s3.example.com:9000/b", "s3.example.com:9000"),
        ("s3://K:S@s3.example.com:80/b?insecure=1", "s3.example.com"),
    ],
)
def test_the_signed_host_is_the_one_that_is_sent(address: str, host: str) -> None:
    assert S3Address.parse(address).host == host


async def test_the_setting_chooses_the_store(tmp_path: Path, source: Path) -> None:
    called: list[str] = []

    def connect(address: str) -> httpx.AsyncClient:
        called.append(address)
        return make_client((), also=address)

    name = make_name()
    await open_files("", tmp_path, connect).put(name, source, "image/png")
    await open_files(str(tmp_path / "other"), tmp_path, connect).put(name, source, "image/png")
    assert (tmp_path / "files" / name[:2]).is_dir()
    assert (tmp_path / "other" / name[:2]).is_dir()
    s3 = open_files("s3://KEY:SECRET@s3.example.com/bucket", tmp_path, connect)
    assert (type(s3), called) == (S3Store, ["https://s3.example.com"])
    await s3.close()
