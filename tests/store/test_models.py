"""The model store: the same bytes back, whole files or none, and no name from outside ever near a path."""

import hashlib
import os
import threading
from pathlib import Path

import httpx
import pytest
import torch

from app.protocol.refusal import Refused
from app.store import models as module
from app.store.models import ModelStore
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
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def refusal(call, *given):
    with pytest.raises(Refused) as refused:
        call(*given)
    return refused.value


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
    (name,) = files(tmp_path / "not yet there")
    assert name == f"{model.id}.safetensors"
    assert (tmp_path / "not yet there" / name).stat().st_mode & 0o777 == 0o644


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


def test_a_full_store_evicts_the_least_recently_used_and_forgets_it(tmp_path):
    store = make_store(tmp_path, max_models=2, sine=make_checkpoint(9))
    one, two, three = (make_checkpoint(seed) for seed in (1, 2, 3))
    ids = [store.add(data).id for data in (one, two)]
    store.get(ids[0])
    newest = store.add(three).id
    assert [listed.id for listed in store.summaries()] == ["sine", newest, ids[0]]
    assert store.ready(ids[1]) is None
    for call in (store.get, store.read):
        assert refusal(call, ids[1]).code == "unknown_model"
    assert store.add(two).id == ids[1], "it may come back"
    assert refusal(store.get, ids[0]).code == "unknown_model"
    assert store.get("sine").id == "sine"


@pytest.mark.parametrize("use", ["get", "ready", "read", "add"])
def test_every_use_counts(tmp_path, use):
    store = make_store(tmp_path, max_models=2)
    data = make_checkpoint(1)
    id = store.add(data).id
    other = store.add(make_checkpoint(2)).id
    getattr(store, use)(data if use == "add" else id)
    store.add(make_checkpoint(3))
    assert refusal(store.get, other).code == "unknown_model"
    assert store.get(id).id == id


def test_a_list_is_no_use(tmp_path):
    store = make_store(tmp_path, max_models=2)
    ids = [store.add(make_checkpoint(seed)).id for seed in (1, 2)]
    for _ in range(2):
        assert [listed.id for listed in make_store(tmp_path).summaries()] == ids[::-1]
        assert [listed.id for listed in store.summaries()] == ids[::-1]


def test_what_is_listed_is_not_remembered_for_longer_than_it_is_kept(tmp_path):
    store = make_store(tmp_path, max_models=2)
    for seed in range(5):
        store.add(make_checkpoint(seed))
        store.summaries()
    assert len(store._summaries) == 2


def test_use_is_written_down_at_most_so_often(tmp_path, monkeypatch):
    store = make_store(tmp_path)
    id = store.add(make_checkpoint()).id
    written = []
    plain = os.utime
    monkeypatch.setattr(os, "utime", lambda *given, **named: (written.append(given), plain(*given, **named)))
    assert all(store.get(id) is store.ready(id) for _ in range(100))
    assert written == []
    monkeypatch.setattr(module, "RECORD_SECONDS", 0)
    assert store.ready(id) is None, "whoever asks on the event loop goes to a thread for that"
    assert store.get(id).id == id
    assert len(written) == 1


def test_a_model_that_another_server_evicted_is_unknown_within_a_minute(tmp_path, monkeypatch):
    store = make_store(tmp_path, max_models=1)
    id = store.add(make_checkpoint(1)).id
    make_store(tmp_path, max_models=1).add(make_checkpoint(2))
    assert refusal(store.read, id).code == "unknown_model"
    assert store.get(id).id == id, "it predicts on from memory, and no file is touched"
    monkeypatch.setattr(module, "RECORD_SECONDS", 0)
    for _ in range(2):
        assert refusal(store.get, id).code == "unknown_model"
    assert id not in [listed.id for listed in store.summaries()]


def test_an_upload_that_another_server_evicted_is_stored_anew(tmp_path):
    store = make_store(tmp_path, max_models=1)
    id = store.add(make_checkpoint(1)).id
    make_store(tmp_path, max_models=1).add(make_checkpoint(2))
    assert store.add(make_checkpoint(1)).id == id
    assert files(tmp_path) == [f"{id}.safetensors"]


def test_a_model_larger_than_the_whole_store_is_refused_and_evicts_nothing(tmp_path):
    small, large = make_checkpoint(1), make_checkpoint(2, hidden_size=64)
    store = make_store(tmp_path, max_bytes=len(small))
    id = store.add(small).id
    refused = refusal(store.add, large)
    assert refused.code == "store_full"
    assert f"no room for {len(large)}" in refused.detail
    assert store.get(id).id == id
    assert refusal(make_store(tmp_path, max_models=0).add, small).code == "store_full"


def test_a_file_that_goes_while_it_is_listed_is_left_out(tmp_path, monkeypatch, caplog):
    store = make_store(tmp_path)
    ids = [store.add(make_checkpoint(seed)).id for seed in (1, 2)]
    plain = module.ModelFolder.read

    def read(folder, id):
        (tmp_path / f"{ids[0]}.safetensors").unlink(missing_ok=True)
        return plain(folder, id)

    monkeypatch.setattr(module.ModelFolder, "read", read)
    assert [listed.id for listed in make_store(tmp_path).summaries()] == [ids[1]]
    assert caplog.messages == []


@pytest.mark.parametrize("id", [*HOSTILE, "0123456789abcdef", "sine"])
def test_a_name_that_is_no_model_touches_no_file(tmp_path, monkeypatch, id):
    store = make_store(tmp_path)
    opened = []
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or missing(path))
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


def test_a_full_disk_and_a_read_only_folder_are_refused_as_full(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError(28, "No space left on device")

    store = make_store(tmp_path)
    monkeypatch.setattr(os, "fsync", broken)
    refused = refusal(store.add, make_checkpoint())
    assert refused.code == "store_full"
    assert "could not be written" in refused.detail
    monkeypatch.undo()
    assert store.summaries() == []
    (tmp_path / "file").write_text("no folder")
    assert refusal(make_store(tmp_path / "file").add, make_checkpoint()).code == "store_full"


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


def test_a_full_store_takes_uploads_on_and_the_oldest_is_gone(client):
    kept = [client.post("/models", content=make_checkpoint(seed)) for seed in range(5)]
    assert {answer.status_code for answer in kept} == {201}
    ids = [answer.json()["id"] for answer in kept]
    assert [listed["id"] for listed in client.get("/models").json()["models"]] == ["sine", ids[4], ids[3]]
    assert client.post("/predict", json={"sequence": [0.5], "model": ids[4]}).status_code == 200
    gone = client.post("/predict", json={"sequence": [0.5], "model": ids[0]})
    assert gone.status_code == 404
    assert gone.json()["code"] == "unknown_model"
    assert client.post("/predict", json={"sequence": [0.5]}).status_code == 200


def test_two_servers_share_a_folder_and_its_bounds(tmp_path):
    shared = tmp_path / "shared"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    settings = {"models_dir": shared, "max_models": 3}
    with running(tmp_path / "one", **settings) as one, running(tmp_path / "two", **settings) as two:
        answers = []

        def upload(url, seeds):
            with httpx.Client(base_url=url, timeout=30) as client:
                answers.extend(client.post("/models", content=make_checkpoint(seed)) for seed in seeds)

        threads = [threading.Thread(target=upload, args=(server.url, range(8))) for server in (one, two, one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [201] * 32
        listed = [httpx.get(server.url + "/models").json()["models"] for server in (one, two)]
        assert [len(models) for models in listed] == [4, 4]
        assert listed[0] == listed[1]
        for server in (one, two):
            asked = {"sequence": [0.5], "model": listed[0][1]["id"]}
            assert httpx.post(server.url + "/predict", json=asked).status_code == 200
            assert "Traceback" not in server.log.read_text()
