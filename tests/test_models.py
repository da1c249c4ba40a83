"""The model store: the same bytes back, whole files or none, and no name from outside ever near a path."""

import hashlib
import os
import threading

import httpx
import pytest
import torch

from app import models as module
from app.models import ModelStore
from app.refusals import Refused
from model.checkpoint import MAX_BYTES, Checkpoint
from model.network import Network
from model.recipe import Recipe
from tests.conftest import running

HOSTILE = [
    "..",
    ".",
    "../sine",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "/etc/passwd",
    "0123456789ABCDEF",
    "0123456789abcdef\n",
    "0123456789abcdef.safetensors",
    "0123456789abcde",
    "ſ123456789abcdef",
    "a" * 5000,
    "%00",
    "con",
    "~root",
    "*",
]


def make_checkpoint(seed=1, cell="rnn", hidden_size=8):
    network = Network(cell, hidden_size, torch.Generator().manual_seed(seed))
    return Checkpoint.of_network(Recipe(cell=cell, hidden_size=hidden_size), network).to_bytes()


def make_store(folder, max_models=10, max_bytes=10**7, **bundled):
    return ModelStore(folder, max_models, max_bytes, bundled)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_model_is_named_after_its_bytes_and_comes_back_as_it_came(tmp_path):
    data = make_checkpoint()
    model = make_store(tmp_path).add(data)
    assert model.id == hashlib.sha256(data).hexdigest()[:16]
    again = make_store(tmp_path)  # another process, or the next start
    assert again.read(model.id) == data
    assert again.get(model.id).checkpoint.recipe == model.checkpoint.recipe
    assert [listed.id for listed in again.summaries()] == [model.id]


def test_its_file_is_whole_readable_and_the_only_one(tmp_path):
    store = make_store(tmp_path / "not yet there")
    model = store.add(make_checkpoint())
    (path,) = (tmp_path / "not yet there").iterdir()
    assert path.name == f"{model.id}.safetensors"
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_same_bytes_again_are_the_same_model(tmp_path):
    store = make_store(tmp_path, max_models=1)
    assert store.add(make_checkpoint()).id == store.add(make_checkpoint()).id
    assert len(files(tmp_path)) == 1


def test_many_uploads_at_once_of_the_same_and_of_others_all_succeed(tmp_path):
    store = make_store(tmp_path)
    uploads = [make_checkpoint(seed) for seed in (1, 2, 3)] * 4
    threads = [threading.Thread(target=store.add, args=(data,)) for data in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files(tmp_path)) == 3
    assert len(store.summaries()) == 3


def test_a_bundled_model_has_a_name_and_its_hash_and_takes_no_room(tmp_path):
    data = make_checkpoint()
    store = make_store(tmp_path, max_models=0, sine=data)
    assert store.get("sine").id == "sine"
    assert store.get(hashlib.sha256(data).hexdigest()[:16]).id == "sine"
    assert store.add(data).id == "sine"
    assert store.read("sine") == data
    assert files(tmp_path) == []
    assert [listed.id for listed in store.summaries()] == ["sine"]


def test_a_full_store_says_so(tmp_path):
    store = make_store(tmp_path, max_models=1)
    store.add(make_checkpoint(1))
    with pytest.raises(Refused, match="1 models are kept") as refused:
        store.add(make_checkpoint(2))
    assert refused.value.code == "store_full"
    size = len(make_checkpoint())
    with pytest.raises(Refused, match=f"no room for {size} more"):
        make_store(tmp_path, max_bytes=size).add(make_checkpoint(2))


@pytest.mark.parametrize("id", [*HOSTILE, "0123456789abcdef", "sine"])
def test_a_name_that_is_no_model_touches_no_file(tmp_path, monkeypatch, id):
    store = make_store(tmp_path)
    opened = []
    monkeypatch.setattr(module.Path, "read_bytes", lambda path: opened.append(path) or missing(path))
    with pytest.raises(Refused) as refused:
        store.get(id)
    assert refused.value.code == "unknown_model"
    assert len(refused.value.detail) < 300
    assert opened == ([tmp_path / f"{id}.safetensors"] if id == "0123456789abcdef" else [])


def missing(path):
    raise FileNotFoundError(path)


@pytest.mark.parametrize("damage", [b"", b"x" * 100, make_checkpoint(2)])
def test_a_file_that_somebody_changed_is_no_model(tmp_path, damage):
    id = make_store(tmp_path).add(make_checkpoint()).id
    (tmp_path / f"{id}.safetensors").write_bytes(damage)
    store = make_store(tmp_path)
    with pytest.raises(Refused, match=id):
        store.get(id)
    assert store.summaries() == []


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder.safetensors").mkdir()
    store = make_store(tmp_path)
    store.add(make_checkpoint())
    assert len(store.summaries()) == 1
    assert "notes.txt" in files(tmp_path)


@pytest.mark.parametrize("call", ["fsync", "replace", "fdopen"])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, call):
    def broken(*_):
        raise OSError(28, "No space left on device")

    store = make_store(tmp_path)
    monkeypatch.setattr(os, call, broken)
    with pytest.raises(Refused, match="could not be written") as refused:
        store.add(make_checkpoint())
    assert refused.value.code == "store_full"
    assert files(tmp_path) == []
    monkeypatch.undo()
    assert store.summaries() == []
    assert store.add(make_checkpoint()).id


def test_only_old_leftovers_of_cut_off_writes_are_removed(tmp_path):
    for name, age in [(".upload-old", 7200), (".upload-new", 0)]:
        (tmp_path / name).write_bytes(b"half")
        now = (tmp_path / name).stat().st_mtime
        os.utime(tmp_path / name, (now - age, now - age))
    make_store(tmp_path)
    assert files(tmp_path) == [".upload-new"]


def test_more_models_than_fit_in_memory_are_all_there(tmp_path):
    store = make_store(tmp_path, max_models=module.LOADED + 2)
    ids = [store.add(make_checkpoint(seed)).id for seed in range(module.LOADED + 2)]
    assert store.ready(ids[0]) is None
    assert store.get(ids[0]).id == ids[0]
    assert {listed.id for listed in store.summaries()} == set(ids)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running(tmp_path_factory.mktemp("models"), max_models=2) as server:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            yield client
        assert "Traceback" not in server.log.read_text()


def test_upload_list_and_download(client):
    data = make_checkpoint(hidden_size=16)
    answer = client.post("/models", content=data)
    assert answer.status_code == 201
    id = answer.json()["id"]
    assert answer.json()["bytes"] == len(data)
    download = client.get(str(answer.url.join(answer.headers["Location"])))
    assert download.content == data
    assert download.headers["Content-Type"] == "application/octet-stream"
    assert client.get("/models/sine").status_code == 200
    listed = client.get("/models").json()["models"]
    assert listed[0]["id"] == "sine"
    assert answer.json() in listed
    assert client.post("/predict", json={"sequence": [0.5], "model": id}).json()["model"]["hidden_size"] == 16


@pytest.mark.parametrize("id", HOSTILE)
def test_a_hostile_id_in_the_path_is_not_found(client, id):
    answer = client.get(f"/models/{id.strip()}" if "\n" not in id else "/models/0123456789abcdef%0A")
    if client.build_request("GET", f"/models/{id.strip()}").url.path.startswith("/models/"):
        assert answer.status_code == 404
        assert len(answer.content) < 2000
        assert answer.json()["code"] in {"unknown_model", "not_found"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\xff" * 8,
        b"\x80" * 1000,
        b"{}",
        make_checkpoint()[:-1],
        make_checkpoint() + b"\0",
        b"PK\x03\x04",
    ],
)
def test_what_is_no_checkpoint_is_refused_briefly(client, data):
    answer = client.post("/models", content=data)
    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_model"
    assert len(answer.content) < 2000


def test_an_upload_too_large_is_refused(client):
    answer = client.post("/models", content=b"\0" * (MAX_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"


def test_a_full_store_refuses_uploads_and_goes_on_answering(client):
    codes = [client.post("/models", content=make_checkpoint(seed)).status_code for seed in range(5)]
    assert codes[-1] == 507
    assert client.post("/predict", json={"sequence": [0.5]}).status_code == 200
